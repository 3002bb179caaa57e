"""Recognises a zarr store without importing zarr, which is slow to import."""

from __future__ import annotations

from pathlib import Path

# The file at the root of a store that represents it: in version 3; in version 2 for a group, for an array.
MARKERS = ("zarr.json", ".zgroup", ".zarray")
# All files of a store that are no chunks.
DOCUMENTS = (*MARKERS, ".zattrs", ".zmetadata")


def marker(folder: Path) -> Path | None:
    """The marker of a zarr store in this folder; None if the folder is not a store."""
    return next((folder / name for name in MARKERS if (folder / name).is_file()), None)
