"""Makes writes durable: fsync of files and folders, files that appear whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO

# How the name of a file or folder begins that is not whole yet; nobody reads it.
TEMPORARY = ".tmp-"


def settle(path: Path) -> None:
    """Waits until the disk holds the content of a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def send_to_disk(file: BinaryIO, start: int, length: int) -> None:
    """Has the disk begin to take these bytes, without waiting for it; only a hint, and only on Linux."""
    if sys.platform == "linux":
        os.posix_fadvise(file.fileno(), start, length, os.POSIX_FADV_DONTNEED)


def write_atomically(path: Path, content: bytes) -> None:
    """The whole file or none of it, whatever happens: temporary name, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        settle(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
