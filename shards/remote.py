"""Datasets behind a URL (s3, gs, http, hf, ... by fsspec): shards are fetched whole into a bounded cache.

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

# Seconds before each further attempt: a network that is away for a moment must not end a run of weeks.
WAITS = (1.0, 4.0, 15.0)
# Seconds in which a server has to say something; a file may take as long as it takes.
SILENCE = 60.0
# Errors of the disk here, which no other attempt cures.
OF_THIS_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


def is_remote(root: Root) -> bool:
    """Is it a URL?"""
    return isinstance(root, str) and "://" in root


def open_dataset(root: Root, name: str, cache: Cache | None = None, verify_reads: bool = False) -> Dataset:
    """The dataset below a folder, or below a URL, whose shards then go through the cache.

    Raises ShardError where it is not built, or cannot be reached.
    """
    if not is_remote(root):
        return open_place(Path(root) / name, cache, verify_reads)
    return open_place(below(str(root), name), cache, verify_reads)


def open_place(place: Root, cache: Cache | None = None, verify_reads: bool = False) -> Dataset:
    """The dataset in this folder, or behind this URL, whose shards then go through the cache.

    Raises ShardError where it is not built, or cannot be reached.
    """
    if is_remote(place):
        return Dataset(RemoteFiles(str(place), cache or Cache()), verify_reads)
    return Dataset(Path(place), verify_reads)


def holds(place: Root, path: str) -> bool:
    """Is there such a file or folder below a folder or a URL? Raises ShardError where it cannot be asked."""
    if is_remote(place):
        return RemoteFiles(str(place), Cache()).holds(path)
    return (Path(place) / path).exists()


def folders_below(root: Root) -> list[str]:
    """The names of the folders directly below a folder or a URL, in order.

    Raises ShardError where there is no such folder, or its server does not list what it holds.
    """
    if is_remote(root):
        return RemoteFiles(str(root), Cache()).folders()
    try:
        return sorted(each.name for each in Path(root).iterdir() if each.is_dir())
    except OSError as error:
        raise ShardError(f"{root}: cannot be listed ({error.strerror}); name a folder of datasets") from error


@dataclass(frozen=True)
class RemoteFiles:
    """A folder behind a URL; documents are read in place, all other files through the cache."""

    url: str
    cache: Cache
    # Few: a file that is removed from the cache takes its room on the disk as long as it is mapped.
    maps: int = 4

    def where(self, path: str = "") -> str:
        """Without user, password and what follows a question mark: a signed URL has its token there."""
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
        """Is there such a file or folder? Raises ShardError where the server does not answer."""
        return bool(self._attempt(path, lambda place: self._system.exists(place)))

    def folders(self) -> list[str]:
        """Names of the folders directly below; a web server must show them as a page of links.

        What the server names outside of the folder is passed over.
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

    def send(self, source: Path, path: str) -> None:
        """Writes a file there, in the place of another one."""
        self._attempt(path, lambda place: self._system.put_file(str(source), place))

    def remove(self, path: str) -> None:
        """Removes a file, where there is one."""
        if self.holds(path):
            self._attempt(path, lambda place: self._system.rm_file(place))

    def _name(self, record: FileRecord) -> str:
        key = f"{self.where(record.path)} {record.length} {record.crc32c}"
        return hashlib.sha256(key.encode()).hexdigest()[:32]

    def _fetch(self, record: FileRecord, path: Path) -> None:
        self._attempt(record.path, lambda place: self._copy(record, place, path))

    def _copy(self, record: FileRecord, place: str, path: Path) -> None:
        """Fetches into `path`; raises ShardError where these are not the bytes of the index."""
        self._get(place, path, record.length)
        length, crc32c = path.stat().st_size, file_crc32c(path)
        if (length, crc32c) != (record.length, record.crc32c):
            raise ShardError(
                f"{self.where(record.path)}: came with {length} bytes and checksum {crc32c:08x}, the index "
                f"says {record.length} and {record.crc32c:08x}; copy the dataset there again"
            )

    def _get(self, place: str, path: Path, most: int) -> None:
        self._system.get_file(place, str(path), callback=_NoMoreThan(most))

    def _attempt(self, path: str, act: Callable[[str], T]) -> T:
        """Acts on the file system, several times where it fails; raises ShardError with the last error."""
        place = self._place(path)
        for wait in (*WAITS, None):
            try:
                return act(place)
            except FileNotFoundError as error:
                raise ShardError(
                    f"{self.where(path)}: is not there; check the URL, or build the dataset"
                ) from error
            # Every file system of fsspec fails with errors of its own, which share no base.
            except Exception as error:
                if isinstance(error, OSError) and error.errno in OF_THIS_DISK:
                    raise
                if wait is None:
                    if isinstance(error, ShardError):
                        raise
                    reason = self._without_secrets(" ".join(str(error).split())) or type(error).__name__
                    raise ShardError(
                        f"{self.where(path)}: cannot be fetched ({reason}) in {len(WAITS) + 1} attempts; "
                        "check the network and run again"
                    ) from error
                time.sleep(wait)
        raise AssertionError("unreachable")

    @cached_property
    def _system(self) -> Any:
        """The file system of the URL. Time limits are on silence: a large file is not cut off while it
        comes.
        """
        options: dict[str, Any] = {}
        if self._is_http:
            from aiohttp import ClientTimeout

            silence = ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)
            options["client_kwargs"] = {"timeout": silence}
        try:
            return fsspec.core.url_to_fs(self.url, **options)[0]
        except (ImportError, ValueError) as error:
            reason = self._without_secrets(str(error))
            raise SettingsError(f"{self.where()}: {reason}; install what its file system needs") from error

    @property
    def _is_http(self) -> bool:
        return urlsplit(self.url).scheme in ("http", "https")

    def _place(self, path: str) -> str:
        """A file as its file system names it; a signed URL keeps what follows its question mark."""
        if not self._is_http:
            folder: str = self._system._strip_protocol(self.url)
            return joined(folder, path)
        return below(self.url, path)

    def _without_secrets(self, text: str) -> str:
        parts = urlsplit(self.url)
        for secret in (parts.query, parts.netloc.rpartition("@")[0], parts.password):
            text = text.replace(secret, "...") if secret else text
        # A server may have sent us on to another address with a token of its own.
        return without_secrets(text)


class _NoMoreThan(fsspec.callbacks.Callback):  # type: ignore[misc]
    """Ends a transfer that brings more bytes than it should."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def relative_update(self, inc: int = 1) -> None:
        super().relative_update(inc)
        if self.value > self.most:
            raise ShardError(
                f"the server sent more than the {self.most} bytes that the index says; copy the dataset "
                "there again"
            )
