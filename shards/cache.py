"""Keeps fetched files in a folder of bounded size, which any number of processes can share.

A file appears complete and checked, or not at all. To make room, the file that was opened longest ago is
removed; a process that has mapped it keeps its bytes. If the folder cannot be used, reading continues without
a cache (docs/decisions/0071-the-cache-is-a-help.md).
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
# .tmp-NAME-TOKEN-LENGTH: a file that is being fetched, and its final length.
COMING = re.compile(re.escape(TEMPORARY) + r".*-(\d{1,18})")


@cache
def usual_folder() -> Path:
    """The default folder of the cache: below XDG_CACHE_HOME or ~/.cache, otherwise a new temporary folder.

    Containers may have no home, and the home of a batch job may be read-only.
    """
    found = writable_folder()
    if found is not None:
        return found
    folder = Path(tempfile.mkdtemp(prefix="walrus-pde-"))
    _note(f"the cache of remote shards is {folder}, since no home can be written; set reading.cache_folder")
    return folder


def writable_folder() -> Path | None:
    """The first of the usual folders that can be written, None if there is none; creates nothing."""
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
        # The user has no entry in /etc/passwd, as with `docker run --user 12345`.
        return


def _note(text: str) -> None:
    warnings.warn(text, WalrusWarning, stacklevel=3)


@dataclass(frozen=True, order=True)
class _CachedFile:
    """A file in the cache, complete or being fetched."""

    last_use: float
    size: int
    name: str

    @classmethod
    def of(cls, entry: os.DirEntry[str]) -> _CachedFile:
        stat = entry.stat(follow_symlinks=False)
        coming = COMING.fullmatch(entry.name)
        return cls(stat.st_mtime, int(coming[1]) if coming else stat.st_size, entry.name)


@dataclass(frozen=True)
class Cache:
    """Fetched files in a folder, at most `size` bytes; by default in the usual folder."""

    chosen: Path | None = None
    size: int = CACHE_BYTES

    @property
    def folder(self) -> Path:
        """The folder of the files; found at first use, because most data is not remote."""
        return self.chosen or usual_folder()

    def open(self, name: str, length: int, fetch: Callable[[Path], None]) -> BinaryIO:
        """Opens the file with this name, after `fetch` has written it if it is absent.

        Raises ShardError if it is larger than the cache. If the folder cannot be written, warns and fetches
        the file for this process only.
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
        """Removes a file; the next reader fetches it again."""
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
        """Whether the file is in the cache with the right length; an interrupted copy is shorter."""
        path = self.folder / name
        return path.is_file() and not path.is_symlink() and path.stat().st_size == length

    def _find(self, name: str, length: int) -> BinaryIO | None:
        path = self.folder / name
        try:
            if not self._has(name, length):
                return None
            file = open_regular(path)
            # Records the last use: many file systems do not update access times.
            os.utime(path)
        except FileNotFoundError:
            return None
        return file

    def _fetch(self, name: str, length: int, fetch: Callable[[Path], None]) -> None:
        # `_make_room` counts the length in the name, before the bytes are there. Without locks two processes
        # may fetch the same file, so each has its own name.
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
            held = sorted(_CachedFile.of(entry) for entry in entries if entry.is_file(follow_symlinks=False))
        excess = sum(file.size for file in held) + length - self.size
        for file in held:
            if excess <= 0:
                return
            (self.folder / file.name).unlink(missing_ok=True)
            excess -= file.size

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """Lets one process and thread at a time continue, if the file system has locks.

        Several names share one lock file.
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
    """Fetches a file and removes its name at once: its bytes exist until this process closes it."""
    with tempfile.TemporaryDirectory(prefix="walrus-pde-") as folder:
        path = Path(folder) / "file"
        fetch(path)
        return path.open("rb")
