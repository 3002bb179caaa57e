"""Turns arrays into fields on a grid: finds their axes, joins components and files to frames."""

__all__ = [
    "blocks",
    "components",
    "coordinates",
    "described",
    "file_run",
    "grid",
    "laid_out",
    "obstacle",
    "reference_dates",
    "series",
    "stacked",
    "stored_times",
    "tiles",
    "times",
    "united",
]
