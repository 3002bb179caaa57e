"""Describes a built dataset in one HTML page, and those of a root in a line each."""

__all__ = [
    "figures",
    "overview",
    "report",
    "survey",
]
