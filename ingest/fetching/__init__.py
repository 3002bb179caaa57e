"""Fetches the published files of a benchmark."""

__all__ = [
    "choice",
    "download",
    "fetch",
    "listing",
    "published",
]
