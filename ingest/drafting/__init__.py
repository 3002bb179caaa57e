"""Drafts recipes for unknown files and folders."""

__all__ = [
    "axes",
    "blocks",
    "dataset_name",
    "draft",
    "layout_lines",
    "mask_lines",
    "recipe_keys",
    "recipe_reference",
    "scalars",
    "side_numbers",
    "side_paths",
    "side_rows",
    "solver_page",
    "splits",
    "state_times",
    "table",
    "text",
    "tiles",
    "times",
    "well",
]
