"""Describes built datasets: one HTML page per dataset, or one line each for those of a folder."""

__all__ = [
    "figures",
    "overview",
    "report",
    "survey",
]
