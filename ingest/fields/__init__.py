"""Turns arrays into fields on a grid: orders their axes, joins components and files into frames."""

__all__ = [
    "array_field",
    "blocks",
    "components",
    "coordinates",
    "described_fields",
    "field_stack",
    "files_by_variable",
    "gaps",
    "grid",
    "numbers_at",
    "obstacle",
    "reference_dates",
    "run_arrays",
    "scalars",
    "series",
    "stored_times",
    "tiles",
    "times",
]
