"""The fingerprint of a file and of those that are read with it: whether they are still what they were."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

BLOCK = 64 * 1024
BLOCKS = 64


def newest(path: Path, companions: tuple[Path, ...]) -> int:
    """The latest modification time of a file and its companions, in nanoseconds."""
    return max(place.stat().st_mtime_ns for place in (path, *companions))


def digest_with(path: Path, companions: tuple[Path, ...]) -> str:
    """Digest of a file and its companions, with as many blocks in total as for one file."""
    if not companions:
        return digest(path)
    result = hashlib.sha256(digest(path).encode())
    for place in companions:
        name = os.path.relpath(place, path.parent)
        result.update(f"{name} {digest(place, max(1, BLOCKS // len(companions)))} ".encode())
    return result.hexdigest()


def digest(path: Path, blocks: int = BLOCKS) -> str:
    """SHA-256 of the size and of up to 64 evenly spaced blocks: the cost does not grow with the file."""
    size = path.stat().st_size
    result = hashlib.sha256(str(size).encode())
    # Without a buffer, only these blocks are fetched of a large file behind a URL.
    buffering = 0 if size > blocks * BLOCK else -1
    with path.open("rb", buffering) as file:
        for number in range(blocks):
            file.seek(max(0, size - BLOCK) * number // max(1, blocks - 1))
            result.update(file.read(BLOCK))
    return result.hexdigest()
