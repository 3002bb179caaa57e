"""Reads simulation files and writes verified shards; never imports torch."""

# A command recognises our packages by this line (shards.program.own_packages).
DISTRIBUTION = "walrus-pde"
__all__ = [
    "building",
    "catalogue",
    "cli",
    "cli_fetch",
    "cli_options",
    "cli_output",
    "contents",
    "drafting",
    "fetching",
    "fields",
    "formats",
    "inferring",
    "inspecting",
    "layout",
    "recipe",
    "reporting",
    "source",
    "sources",
    "split",
    "transform",
]
