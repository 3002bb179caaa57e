"""Turns arrays into fields on a grid: their axes, and how components and files make up frames."""

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
