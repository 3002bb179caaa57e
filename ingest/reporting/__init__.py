"""Describes a built dataset on one HTML page, and lists the datasets of a folder in one line each."""

__all__ = [
    "figures",
    "overview",
    "report",
    "survey",
]
