"""Reads simulation files and writes verified shards; never loads torch."""

__all__ = [
    "building",
    "cli",
    "cli_options",
    "cli_output",
    "fields",
    "formats",
    "inspecting",
    "layout",
    "recipe",
    "reporting",
    "source",
    "sources",
    "split",
    "transform",
]
