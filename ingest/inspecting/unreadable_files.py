"""Finds the files of a folder that cannot be opened: they are left out of a draft, and named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ingest.formats.open_any import located, open_arrays
from shards.errors import SourceError

# How many files are opened at the start and at the end, where a program that was killed wrote its last one.
MANY_OPENED = 100


def unreadable_files(paths: Sequence[Path]) -> dict[Path, str]:
    """The files that cannot be opened, each with the reason; of many files, only empty ones in the middle."""
    found = {}
    for number, path in enumerate(paths):
        if MANY_OPENED <= number < len(paths) - MANY_OPENED and not _is_empty(path):
            continue
        try:
            with open_arrays(located(path)) as arrays:
                arrays.names()
        except SourceError as error:
            # What was expected and what to do is said once, for all of them.
            found[path] = str(error).removeprefix(f"{path}: ").partition(";")[0]
    return found


def _is_empty(path: Path) -> bool:
    """Whether a file has no bytes, or is a broken link."""
    return not path.exists() or (path.is_file() and path.stat().st_size == 0)
