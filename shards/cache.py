"""A bounded folder of files that were fetched from elsewhere, which any number of processes may share.

A file appears in it whole and checked, or not at all; what was opened longest ago is removed to make room. A
process that has a removed file mapped keeps its bytes until it unmaps it. Where the folder cannot be used,
the work goes on without one (docs/decisions/0071-the-cache-is-a-help.md).
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from shards.disk import NO_LOCKS, TEMPORARY, open_regular
from shards.errors import ShardError, WalrusWarning

CACHE_BYTES = 50 * 10**9
LOCKS = 64
# .tmp-NAME-TOKEN-LENGTH: a file on its way, and how long it will be.
COMING = re.compile(re.escape(TEMPORARY) + r".*-(\d{1,18})")


@cache
def usual_folder() -> Path:
    """Where the cache is unless somebody says otherwise: XDG_CACHE_HOME, ~/.cache, or a folder for us alone.

    Containers may have no home, and batch jobs one that cannot be written.
    """
    found = writable_folder()
    if found is not None:
        return found
    folder = Path(tempfile.mkdtemp(prefix="walrus-pde-"))
    _note(f"the cache of remote shards is {folder}, since no home can be written; set reading.cache_folder")
    return folder


def writable_folder() -> Path | None:
    """The first of the usual places in which a cache can be written; makes nothing."""
    for parent in _caches():
        folder = parent / "walrus-pde"
        nearest = next(each for each in (folder, *folder.parents) if each.exists())
        if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
            return folder
    return None


def _caches() -> Iterator[Path]:
    named = os.environ.get("XDG_CACHE_HOME")
    if named and Path(named).is_absolute():
        yield Path(named)
    try:
        yield Path.home() / ".cache"
    except RuntimeError:
        # The user has no entry in the list of users, as with `docker run --user 12345`.
        return


def _note(text: str) -> None:
    warnings.warn(text, WalrusWarning, stacklevel=3)


@dataclass(frozen=True, order=True)
class _Held:
    """A file in the cache, whole or on its way."""

    last_use: float
    size: int
    name: str

    @classmethod
    def of(cls, entry: os.DirEntry[str]) -> _Held:
        stat = entry.stat(follow_symlinks=False)
        coming = COMING.fullmatch(entry.name)
        return cls(stat.st_mtime, int(coming[1]) if coming else stat.st_size, entry.name)


@dataclass(frozen=True)
class Cache:
    """Files in a folder, `size` bytes at most; without a folder in the usual one."""

    chosen: Path | None = None
    size: int = CACHE_BYTES

    @property
    def folder(self) -> Path:
        """Where the files are; found when it is needed first, since most data is not remote."""
        return self.chosen or usual_folder()

    def open(self, name: str, length: int, fetch: Callable[[Path], None]) -> BinaryIO:
        """The file of this name; `fetch` writes it where it is absent. Raises ShardError if it cannot fit.

        Where the folder cannot be written, the file is fetched for this process alone, with a warning.
        """
        if length > self.size:
            raise ShardError(
                f"{self.folder}: a file of {length} bytes does not fit a cache of {self.size}; "
                "raise reading.cache_size"
            )
        try:
            return self._open(name, length, fetch)
        except OSError as error:
            if isinstance(error, ShardError) or error.errno is None:
                raise
            _note(
                f"{self.folder}: the cache cannot be used ({os.strerror(error.errno)}), files are fetched "
                "again each time; set reading.cache_folder to a folder with room"
            )
        return _fetched_alone(fetch)

    def remove(self, name: str) -> None:
        """Lets go of a file; the next who wants it fetches it again."""
        (self.folder / name).unlink(missing_ok=True)

    def _open(self, name: str, length: int, fetch: Callable[[Path], None]) -> BinaryIO:
        while True:
            found = self._find(name, length)
            if found:
                return found
            with self._lock(name):
                if not self._has(name, length):
                    self.remove(name)
                    self._fetch(name, length, fetch)

    def _has(self, name: str, length: int) -> bool:
        """Is the file in the cache, with the right length? A copy that was interrupted is shorter."""
        path = self.folder / name
        return path.is_file() and not path.is_symlink() and path.stat().st_size == length

    def _find(self, name: str, length: int) -> BinaryIO | None:
        path = self.folder / name
        try:
            if not self._has(name, length):
                return None
            file = open_regular(path)
            # The time of last use, whatever the file system does with reads.
            os.utime(path)
        except FileNotFoundError:
            return None
        return file

    def _fetch(self, name: str, length: int, fetch: Callable[[Path], None]) -> None:
        # Those who make room count the length in the name, before the bytes are there. Without locks two may
        # fetch the same file: each has a name of its own.
        temporary = self.folder / f"{TEMPORARY}{name}-{secrets.token_hex(6)}-{length}"
        with self._lock("room"):
            self._make_room(length)
            temporary.touch(exist_ok=False)
        try:
            fetch(temporary)
            temporary.replace(self.folder / name)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _make_room(self, length: int) -> None:
        with os.scandir(self.folder) as entries:
            held = sorted(_Held.of(entry) for entry in entries if entry.is_file(follow_symlinks=False))
        excess = sum(file.size for file in held) + length - self.size
        for file in held:
            if excess <= 0:
                return
            (self.folder / file.name).unlink(missing_ok=True)
            excess -= file.size

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """Held by one process and thread at a time, where the file system knows locks.

        A few names share a lock.
        """
        locks = self.folder / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        stripe = name if name == "room" else f"{int(name, 16) % LOCKS:02d}"
        try:
            handle = os.open(locks / stripe, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise ShardError(f"{locks / stripe}: cannot be locked ({error.strerror}); remove it") from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX)
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
            yield
        finally:
            os.close(handle)


def _fetched_alone(fetch: Callable[[Path], None]) -> BinaryIO:
    """The file, fetched to a place that ends with this process, as its name is removed at once."""
    with tempfile.TemporaryDirectory(prefix="walrus-pde-") as folder:
        path = Path(folder) / "file"
        fetch(path)
        return path.open("rb")
