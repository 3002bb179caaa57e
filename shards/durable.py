"""What survives a loss of power: a name or content counts once the disk has it, not once it is written."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO


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
