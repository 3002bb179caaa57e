"""Lists what one file holds: its arrays, their names, numbers and marks."""

__all__ = [
    "axis_names",
    "channel_names",
    "combined_files",
    "listing",
    "number_lists",
    "numbered_arrays",
    "parameters",
    "parts_of_grid",
    "run_groups",
    "solvers",
    "split_arrays",
    "state_time",
    "statistics",
]
