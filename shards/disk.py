"""Makes writes durable: fsync of files and folders, files that appear whole or not at all.

No name is predictable and no link is followed (docs/decisions/0041-nothing-of-others-is-believed.md).
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

# How the name of a file or folder begins that is not whole yet; nobody reads it.
TEMPORARY = ".tmp-"
# A file system takes names of 255 bytes.
LONGEST_NAME = 200
# What a file system without locks says when it is asked for one: Lustre without `flock`, some NFS.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
# Files that are waited for at once.
WAITING = 16


def settle(path: Path) -> None:
    """Waits until the disk holds the content of a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def settle_all(paths: Iterable[Path]) -> None:
    """Waits until the disk holds all of these.

    Side by side, as a file system writes its journal once for all that wait for it
    (docs/decisions/0075-waiting-once-for-many-files.md).
    """
    with ThreadPoolExecutor(WAITING) as pool:
        deque(pool.map(settle, paths), maxlen=0)


def send_to_disk(file: BinaryIO, start: int, length: int) -> None:
    """Has the disk begin to take these bytes, without waiting for it; only a hint, and only on Linux."""
    if sys.platform == "linux":
        os.posix_fadvise(file.fileno(), start, length, os.POSIX_FADV_DONTNEED)


def open_regular(path: Path) -> BinaryIO:
    """A file for reading; raises OSError for a pipe, a device or a folder, which might never end."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is not a file", str(path))
    return os.fdopen(handle, "rb")


def read_regular(path: Path) -> bytes:
    """All of a file; raises OSError for a pipe, a device or a folder, which might never end."""
    with open_regular(path) as file:
        return file.read()


def open_append(path: Path) -> BinaryIO:
    """A file to add to, made if need be; raises OSError where a link has this name."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o666), "ab")


def create_temporary(path: Path) -> tuple[Path, BinaryIO]:
    """A new file next to `path`, of a name that nobody can have put a link at; its mode is that of any new
    file.
    """
    temporary = _temporary_name(path)
    return temporary, _create(temporary)


def _temporary_name(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{path.name[:LONGEST_NAME]}-{secrets.token_hex(6)}")


def _create(temporary: Path) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(temporary, flags, 0o666), "w+b")


def remove_temporary(path: Path) -> None:
    """Removes what killed writers of `path` left; the caller knows that nobody is writing it."""
    for leftover in path.parent.glob(f"{TEMPORARY}{glob.escape(path.name[:LONGEST_NAME])}-*"):
        leftover.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """The whole file or none of it, whatever happens: new file, fsync, rename, fsync of the folder."""
    # Ctrl-C may come between any two lines: the name is known before there is such a file.
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
        # The system does not say which file a full disk is about.
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise
