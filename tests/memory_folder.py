"""A folder in memory, where there is a disk for it: a build waits for each of a thousand small files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

MEMORY = Path("/dev/shm")


@contextmanager
def folder_in_memory(otherwise: Path) -> Iterator[Path]:
    """A new folder in memory, removed at the end; the other folder on a machine without such a disk."""
    if MEMORY.is_dir():
        with TemporaryDirectory(dir=MEMORY) as place:
            yield Path(place)
    else:
        yield otherwise
