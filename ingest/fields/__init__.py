"""Arrays as fields: which axes they have, how components and files stack up to frames."""

__all__ = [
    "blocks",
    "components",
    "coordinates",
    "described",
    "file_run",
    "grid",
    "laid_out",
    "obstacle",
    "series",
    "stacked",
    "stored_times",
    "times",
    "united",
]
