"""Turns arrays into fields on a grid: orders their axes, joins components and files into frames."""

__all__ = [
    "blocks",
    "components",
    "coordinates",
    "described",
    "file_run",
    "grid",
    "laid_out",
    "numbers_at",
    "obstacle",
    "reference_dates",
    "scalars",
    "series",
    "stacked",
    "stored_times",
    "tiles",
    "times",
    "united",
]
