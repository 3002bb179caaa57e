"""Datasets behind a URL (s3, gs, http, hf, ... by fsspec): shards are fetched whole into a bounded cache.

Any number of processes may share the cache. A file appears in it whole and checked, or not at all; what was
opened longest ago is removed to make room. A process that has a removed file mapped keeps its bytes until it
unmaps it (docs/decisions/0014-remote-shards.md).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import fsspec

from shards.disk import TEMPORARY
from shards.errors import SettingsError, ShardError
from shards.index import FileRecord
from shards.read import Dataset
from shards.verify import file_crc32c

T = TypeVar("T")
Root = Path | str

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "walrus-pde"
CACHE_BYTES = 50 * 10**9
# Seconds before each further attempt: a network that is away for a moment must not end a run of weeks.
WAITS = (1.0, 4.0, 15.0)
LOCKS = 64


def is_remote(root: Root) -> bool:
    """Is it a URL?"""
    return isinstance(root, str) and "://" in root


def open_dataset(root: Root, name: str, cache: Cache | None = None) -> Dataset:
    """The dataset below a folder, or below a URL, whose shards then go through the cache.

    Raises ShardError where it is not built, or cannot be reached.
    """
    return open_place(f"{str(root).rstrip('/')}/{name}" if is_remote(root) else Path(root) / name, cache)


def open_place(place: Root, cache: Cache | None = None) -> Dataset:
    """The dataset in this folder, or behind this URL, whose shards then go through the cache.

    Raises ShardError where it is not built, or cannot be reached.
    """
    if is_remote(place):
        return Dataset(RemoteFiles(str(place).rstrip("/"), cache or Cache()))
    return Dataset(Path(place))


@dataclass(frozen=True)
class RemoteFiles:
    """A folder behind a URL; documents are read in place, all other files through the cache."""

    url: str
    cache: Cache
    # Few: a file that is removed from the cache takes its room on the disk as long as it is mapped.
    maps: int = 4

    def where(self, path: str = "") -> str:
        return f"{self.url}/{path}" if path else self.url

    def read(self, path: str) -> bytes:
        content: bytes = self._attempt(path, lambda place: self._system.cat_file(place))
        return content

    def open(self, record: FileRecord) -> BinaryIO:
        key = f"{self.where(record.path)} {record.length} {record.crc32c}"
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        return self.cache.open(name, record.length, lambda path: self._fetch(record, path))

    def _fetch(self, record: FileRecord, path: Path) -> None:
        self._attempt(record.path, lambda place: self._copy(record, place, path))

    def _copy(self, record: FileRecord, place: str, path: Path) -> None:
        """Fetches into `path`; raises ShardError where these are not the bytes of the index."""
        self._system.get_file(place, str(path), callback=_NoMoreThan(record.length))
        length, crc32c = path.stat().st_size, file_crc32c(path)
        if (length, crc32c) != (record.length, record.crc32c):
            raise ShardError(
                f"{self.where(record.path)}: came with {length} bytes and checksum {crc32c:08x}, the index "
                f"says {record.length} and {record.crc32c:08x}; copy the dataset there again"
            )

    def _attempt(self, path: str, act: Callable[[str], T]) -> T:
        """Acts on the file system, several times where it fails; raises ShardError with the last error."""
        place = self._folder if not path else f"{self._folder}/{path}"
        for wait in (*WAITS, None):
            try:
                return act(place)
            except FileNotFoundError as error:
                raise ShardError(
                    f"{self.where(path)}: is not there; check the URL, or build the dataset"
                ) from error
            # Every file system of fsspec fails with errors of its own, which share no base.
            except Exception as error:
                if wait is None:
                    if isinstance(error, ShardError):
                        raise
                    reason = " ".join(str(error).split()) or type(error).__name__
                    raise ShardError(
                        f"{self.where(path)}: cannot be fetched ({reason}) in {len(WAITS) + 1} attempts; "
                        "check the network and run again"
                    ) from error
                time.sleep(wait)
        raise AssertionError("unreachable")

    @cached_property
    def _system(self) -> Any:
        return self._opened[0]

    @cached_property
    def _folder(self) -> str:
        return self._opened[1]

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        try:
            system, folder = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise SettingsError(f"{self.url}: {error}; install what its file system needs") from error
        return system, folder.rstrip("/")


class _NoMoreThan(fsspec.callbacks.Callback):  # type: ignore[misc]
    """Ends a transfer that brings more bytes than it should."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def relative_update(self, inc: int = 1) -> None:
        super().relative_update(inc)
        if self.value > self.most:
            raise ShardError(
                f"more came than the {self.most} bytes that the index says; copy the dataset there again"
            )


@dataclass(frozen=True, order=True)
class _Held:
    """A file in the cache, whole or on its way."""

    last_use: float
    size: int
    name: str

    @classmethod
    def of(cls, entry: os.DirEntry[str]) -> _Held:
        stat = entry.stat()
        coming = entry.name.startswith(TEMPORARY)
        return cls(stat.st_mtime, int(entry.name.rsplit("-", 1)[1]) if coming else stat.st_size, entry.name)


@dataclass(frozen=True)
class Cache:
    """Files in a folder, `size` bytes at most."""

    folder: Path = CACHE
    size: int = CACHE_BYTES

    def open(self, name: str, length: int, fetch: Callable[[Path], None]) -> BinaryIO:
        """The file of this name; `fetch` writes it where it is absent. Raises ShardError if it cannot fit."""
        while True:
            found = self._find(name)
            if found:
                return found
            if length > self.size:
                raise ShardError(
                    f"{self.folder}: a file of {length} bytes does not fit a cache of {self.size}; "
                    "raise reading.cache_size"
                )
            with self._lock(name):
                if not (self.folder / name).is_file():
                    self._fetch(name, length, fetch)

    def _find(self, name: str) -> BinaryIO | None:
        path = self.folder / name
        try:
            file = path.open("rb")
            # The time of last use, whatever the file system does with reads.
            os.utime(path)
        except FileNotFoundError:
            return None
        return file

    def _fetch(self, name: str, length: int, fetch: Callable[[Path], None]) -> None:
        # Those who make room count the length in the name, before the bytes are there.
        temporary = self.folder / f"{TEMPORARY}{name}-{length}"
        with self._lock("room"):
            temporary.unlink(missing_ok=True)
            self._make_room(length)
            temporary.touch()
        try:
            fetch(temporary)
            temporary.replace(self.folder / name)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _make_room(self, length: int) -> None:
        with os.scandir(self.folder) as entries:
            held = sorted(_Held.of(entry) for entry in entries if entry.is_file())
        excess = sum(file.size for file in held) + length - self.size
        for file in held:
            if excess <= 0:
                return
            (self.folder / file.name).unlink(missing_ok=True)
            excess -= file.size

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """Held by one process and thread at a time; a few names share a lock."""
        locks = self.folder / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        stripe = name if name == "room" else f"{int(name, 16) % LOCKS:02d}"
        with (locks / stripe).open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
