"""Recognises a zarr store without importing zarr, which would take longer than everything else."""

from __future__ import annotations

from pathlib import Path

# What stands at the root of a store, and for the store: of
# version 3, and of version 2: a group, or an array alone.
MARKERS = ("zarr.json", ".zgroup", ".zarray")


def marker(folder: Path) -> Path | None:
    """The file that makes a folder a zarr store, if it is one."""
    return next((folder / name for name in MARKERS if (folder / name).is_file()), None)
