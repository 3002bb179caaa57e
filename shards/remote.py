"""Opens datasets behind a URL (s3, gs, http, hf, ... by fsspec); fetches whole shards into a bounded cache.

The reasons are in docs/decisions/0014-remote-shards.md.
"""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

import fsspec

from shards.cache import Cache
from shards.errors import SettingsError, ShardError
from shards.files import LARGEST_DOCUMENT
from shards.index import FileRecord
from shards.read import Dataset
from shards.urls import below, joined, without_secrets
from shards.verify import file_crc32c

T = TypeVar("T")
Root = Path | str

# Seconds before each further attempt: a short network failure must not end a run of weeks.
WAITS = (1.0, 4.0, 15.0)
# Seconds that a server may be silent; a whole file may take any time.
SILENCE = 60.0
# Where the file systems of fsspec state the version of a file.
VERSION_KEYS = ("ETag", "etag", "LastModified", "last_modified", "mtime", "created")
# Errors of the disk on this machine: another attempt does not help.
OF_THIS_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


def is_remote(root: Root) -> bool:
    """Whether it is a URL.

    >>> is_remote("s3://bucket/shards"), is_remote(Path("data"))
    (True, False)
    """
    return isinstance(root, str) and "://" in root


def open_dataset(root: Root, name: str, cache: Cache | None = None, *, verify_reads: bool = False) -> Dataset:
    """Opens a dataset below a folder or a URL; shards behind a URL go through the cache.

    Raises ShardError if it is not built or cannot be reached.
    """
    if not is_remote(root):
        return open_place(Path(root) / name, cache, verify_reads=verify_reads)
    return open_place(below(str(root), name), cache, verify_reads=verify_reads)


def open_place(place: Root, cache: Cache | None = None, *, verify_reads: bool = False) -> Dataset:
    """Opens the dataset in this folder or behind this URL; shards behind a URL go through the cache.

    Raises ShardError if it is not built or cannot be reached.
    """
    if is_remote(place):
        return Dataset(RemoteFiles(str(place), cache or Cache()), verify_reads=verify_reads)
    return Dataset(Path(place), verify_reads=verify_reads)


def holds(place: Root, path: str) -> bool:
    """Whether a file or folder exists below a folder or a URL; raises ShardError if no server answers."""
    if is_remote(place):
        return RemoteFiles(str(place), Cache()).holds(path)
    return (Path(place) / path).exists()


def folders_below(root: Root) -> list[str]:
    """The names of the folders directly below a folder or a URL, sorted.

    Raises ShardError if there is no such folder, or if its server does not list it.
    """
    if is_remote(root):
        return RemoteFiles(str(root), Cache()).folders()
    try:
        return sorted(each.name for each in Path(root).iterdir() if each.is_dir())
    except OSError as error:
        raise ShardError(f"{root}: cannot be listed ({error.strerror}); name a folder of datasets") from error


@dataclass(frozen=True)
class RemoteFiles:
    """The files of a dataset behind a URL; documents are read directly, other files through the cache."""

    url: str
    cache: Cache
    # Few, because a file that the cache removed still needs disk space while it is mapped.
    maps: int = 4

    def where(self, path: str = "") -> str:
        """The URL without user, password and query: a signed URL has its token in the query."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, joined(parts.path, path), "", ""))

    def read(self, path: str) -> bytes:
        with TemporaryDirectory() as place:
            copy = Path(place) / "document"
            self._attempt(path, lambda url: self._get(url, copy, LARGEST_DOCUMENT))
            return copy.read_bytes()

    def open(self, record: FileRecord) -> BinaryIO:
        return self.cache.open(self._name(record), record.length, lambda path: self._fetch(record, path))

    def cure(self, record: FileRecord) -> str:
        self.cache.remove(self._name(record))
        return "its copy was removed from the cache, run again"

    def holds(self, path: str) -> bool:
        """Whether this file or folder exists; raises ShardError if the server does not answer."""
        return bool(self._attempt(path, lambda place: self._system.exists(place)))

    def folders(self) -> list[str]:
        """The names of the folders directly below; a web server must list them as a page of links.

        Names outside of this folder are ignored.
        """
        listed = self._attempt("", lambda place: self._system.ls(place, detail=True))
        above = urlsplit(self._place("")).path.rstrip("/")
        names = set()
        for each in listed:
            folder, _, name = urlsplit(each["name"]).path.rstrip("/").rpartition("/")
            if each["type"] == "directory" and name and folder == above:
                names.add(unquote(name) if self._is_http else name)
        return sorted(names)

    def lengths(self) -> dict[str, int]:
        """The length of each file, by its path below the URL."""
        found = self._attempt("", lambda place: self._system.find(place, detail=True))
        above = len(self._place("")) + 1
        return {name[above:]: int(each["size"]) for name, each in found.items()}

    def state(self) -> tuple[int, str] | None:
        """The length of the file at this URL and its version, a tag or the time of its last change.

        None if there is no file.
        """
        found = self._attempt("", lambda place: self._system.info(place)) if self.holds("") else None
        if found is None or found["type"] == "directory":
            return None
        versions = (found.get(key) for key in VERSION_KEYS)
        return int(found["size"]), str(next(filter(None, versions), ""))

    def part(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop` of the file at this URL."""
        found: bytes = self._attempt("", lambda place: self._system.cat_file(place, start=start, end=stop))
        return found

    def send(self, source: Path, path: str) -> None:
        """Writes a file there, in the place of another one."""
        self._attempt(path, lambda place: self._system.put_file(str(source), place), "sent")

    def remove(self, path: str) -> None:
        """Removes a file, where there is one."""
        if self.holds(path):
            self._attempt(path, lambda place: self._system.rm_file(place), "removed")

    def _name(self, record: FileRecord) -> str:
        key = f"{self.where(record.path)} {record.length} {record.crc32c}"
        return hashlib.sha256(key.encode()).hexdigest()[:32]

    def _fetch(self, record: FileRecord, path: Path) -> None:
        self._attempt(record.path, lambda place: self._copy(record, place, path))

    def _copy(self, record: FileRecord, place: str, path: Path) -> None:
        """Fetches a file into `path`; raises ShardError if its bytes differ from the index."""
        self._get(place, path, record.length)
        length, crc32c = path.stat().st_size, file_crc32c(path)
        if (length, crc32c) != (record.length, record.crc32c):
            raise ShardError(
                f"{self.where(record.path)}: came with {length} bytes and checksum {crc32c:08x}, the index "
                f"says {record.length} and {record.crc32c:08x}; copy the dataset there again"
            )

    def _get(self, place: str, path: Path, most: int) -> None:
        self._system.get_file(place, str(path), callback=_NoMoreThan(most))

    def _attempt(self, path: str, act: Callable[[str], T], done: str = "fetched") -> T:
        """Calls `act` with the address of a path, several times if it fails; then raises ShardError."""
        place, waits = self._place(path), iter(WAITS)
        while True:
            try:
                return act(place)
            except FileNotFoundError as error:
                raise ShardError(
                    f"{self.where(path)}: does not exist; check the URL, or build the dataset"
                ) from error
            # Every file system of fsspec raises its own errors, which share no base class.
            except Exception as error:
                if isinstance(error, OSError) and error.errno in OF_THIS_DISK:
                    raise
                wait = next(waits, None)
                if wait is not None:
                    time.sleep(wait)
                    continue
                if isinstance(error, ShardError):
                    raise
                reason = self._without_secrets(" ".join(str(error).split())) or type(error).__name__
                raise ShardError(
                    f"{self.where(path)}: cannot be {done} ({reason}) in {len(WAITS) + 1} attempts; "
                    "check the network and run again"
                ) from error

    @cached_property
    def _system(self) -> Any:
        """The fsspec file system of the URL; its time limit is for silence, not for a whole transfer."""
        options: dict[str, Any] = {}
        if self._is_http:
            from aiohttp import ClientTimeout

            silence = ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)
            options["client_kwargs"] = {"timeout": silence}
        try:
            return fsspec.core.url_to_fs(self.url, **options)[0]
        except (ImportError, ValueError) as error:
            reason = self._without_secrets(str(error))
            raise SettingsError(f"{self.where()}: {reason}; install the package of this protocol") from error

    @property
    def _is_http(self) -> bool:
        return urlsplit(self.url).scheme in ("http", "https")

    def _place(self, path: str) -> str:
        """The name of a path in its file system; a signed URL keeps its query."""
        if not self._is_http:
            folder: str = self._system._strip_protocol(self.url)
            return joined(folder, path)
        return below(self.url, path)

    def _without_secrets(self, text: str) -> str:
        parts = urlsplit(self.url)
        for secret in (parts.query, parts.netloc.rpartition("@")[0], parts.password):
            text = text.replace(secret, "...") if secret else text
        # A redirect may lead to another address with a token of its own.
        return without_secrets(text)


class _NoMoreThan(fsspec.callbacks.Callback):  # type: ignore[misc]
    """Ends a transfer that brings more bytes than expected."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def relative_update(self, inc: int = 1) -> None:
        super().relative_update(inc)
        if self.value > self.most:
            raise ShardError(
                f"the server sent more than the {self.most} bytes that the index states; copy the dataset "
                "there again"
            )
