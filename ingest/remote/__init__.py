"""Asks servers: what they list, whole files, and parts of files."""

__all__ = [
    "attempts",
    "http",
    "listing",
    "path",
    "ranges",
]
