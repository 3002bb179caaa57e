"""Describes a built dataset in one HTML page."""

__all__ = [
    "figures",
    "report",
    "survey",
]
