"""Describes built datasets: an HTML page for one dataset, or a line for each dataset of a folder."""

__all__ = [
    "figures",
    "overview",
    "report",
    "survey",
]
