"""Fetches the files of a benchmark from where they are published."""

__all__ = [
    "choice",
    "download",
    "fetch",
    "http",
    "listing",
    "published",
]
