"""What survives a loss of power: a name or content counts once the disk has it, not once it is written."""

from __future__ import annotations

import os
from pathlib import Path


def settle(path: Path) -> None:
    """Waits until the disk holds the content of a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
