"""Reads simulation files and writes verified shards; never loads torch."""

# By which a command knows that this package is ours (shards.program.own_packages).
DISTRIBUTION = "walrus-pde"
__all__ = [
    "building",
    "cli",
    "cli_fetch",
    "cli_options",
    "cli_output",
    "fetching",
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
