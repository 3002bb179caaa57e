"""Makes writes durable: fsync of files and folders; a file appears complete or not at all.

Temporary names cannot be predicted, and no link is followed
(docs/decisions/0041-nothing-of-others-is-believed.md).
"""

from __future__ import annotations

import errno
import glob
import os
import secrets
import stat
import sys
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

# The first characters of the name of a file or folder that is not complete yet; no reader opens it.
TEMPORARY = ".tmp-"
# File systems allow names of 255 bytes; the rest is for the prefix and the random token.
LONGEST_NAME = 200
# The errors of a file system without locks: Lustre without `flock`, some NFS.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
# The number of files that are synchronised at once.
WAITING = 16


def settle(path: Path) -> None:
    """Waits until the disk holds the content of a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def settle_all(paths: Iterable[Path]) -> None:
    """Waits until the disk holds all of these files or folders.

    Many at once, because a file system writes its journal once for all that are waiting
    (docs/decisions/0075-waiting-once-for-many-files.md).
    """
    with ThreadPoolExecutor(WAITING) as pool:
        deque(pool.map(settle, paths), maxlen=0)


def send_to_disk(file: BinaryIO, start: int, length: int) -> None:
    """Asks the system to start writing these bytes to the disk, and does not wait; a hint, only on Linux."""
    if sys.platform == "linux":
        os.posix_fadvise(file.fileno(), start, length, os.POSIX_FADV_DONTNEED)


def open_regular(path: Path) -> BinaryIO:
    """Opens a file for reading; raises OSError for a folder, or a pipe or device, which may never end."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is not a file", str(path))
    return os.fdopen(handle, "rb")


def read_regular(path: Path) -> bytes:
    """Reads a whole file; raises OSError for a folder, or a pipe or device, which may never end."""
    with open_regular(path) as file:
        return file.read()


def open_append(path: Path) -> BinaryIO:
    """Opens a file to append to it, and creates it if necessary; raises OSError if the path is a link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o666), "ab")


def create_temporary(path: Path) -> tuple[Path, BinaryIO]:
    """Creates a file next to `path` under a random name, where nobody can have put a link."""
    temporary = _temporary_name(path)
    return temporary, _create(temporary)


def _temporary_name(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{path.name[:LONGEST_NAME]}-{secrets.token_hex(6)}")


def _create(temporary: Path) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(temporary, flags, 0o666), "w+b")


def remove_temporary(path: Path) -> None:
    """Removes temporary files that killed writers of `path` left; the caller knows that no one writes it."""
    for leftover in path.parent.glob(f"{TEMPORARY}{glob.escape(path.name[:LONGEST_NAME])}-*"):
        leftover.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a whole file or nothing, whatever happens: new file, fsync, rename, fsync of the folder."""
    # Ctrl-C may come between any two lines: the name is chosen before the file exists, so it can be removed.
    temporary = _temporary_name(path)
    try:
        with _create(temporary) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        settle(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        # The error of a full disk does not name the file.
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise
