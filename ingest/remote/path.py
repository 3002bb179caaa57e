"""A file or folder behind a URL, in the form of the paths that the sources read.

A program that wants a file of this machine asks a path for its name; a RemotePath has none, and says so.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
from collections.abc import Generator
from functools import lru_cache
from pathlib import Path, PosixPath
from typing import IO, Any, cast
from urllib.parse import quote, unquote, urlsplit

from ingest.remote.http import AnswerError
from ingest.remote.listing import list_address
from ingest.remote.ranges import FETCH_FIRST, RemoteState, read_range, state_of
from shards.errors import SettingsError, SourceError
from shards.urls import without_secrets

# What is read at once, and how many of these blocks a process keeps: HDF5 returns to its headers.
BLOCK = 2**20
BLOCKS = 32
SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):/{1,2}")
# Characters of a path that are no separators in an address.
PLAIN = "/:@!$&'()*+,;=~"


class RemotePath(PosixPath):
    """A path whose first part is the scheme of a URL; `str` gives the URL, without quoting.

    >>> run = RemotePath("https://example.org/data") / "train" / "a.h5"
    >>> str(run), run.stem, str(run.parent)
    ('https://example.org/data/train/a.h5', 'a', 'https://example.org/data/train')
    """

    __slots__ = ()

    def __str__(self) -> str:
        return SCHEME.sub(r"\1://", super().__str__(), count=1)

    def __fspath__(self) -> str:
        raise SourceError(f"{self}: can only be read as a file of this machine; {FETCH_FIRST}")

    @property
    def address(self) -> str:
        """The URL, quoted where http asks for it."""
        url = str(self)
        return quote(url, safe=PLAIN) if url.startswith(("http://", "https://")) else url

    @property
    def state(self) -> RemoteState:
        """Length and version now; raises FileNotFoundError, or SourceError if it cannot be read by ranges."""
        return state_of(self.address)

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """Length, and in place of a time a number of the version: it changes when the file does."""
        state = self.state
        number = int.from_bytes(hashlib.sha256(state.version.encode()).digest()[:7])
        return os.stat_result(
            (stat.S_IFREG | stat.S_IRUSR, 0, 0, 0, 0, 0, state.size, 0, 0, 0), {"st_mtime_ns": number}
        )

    def is_file(self) -> bool:
        """Whether the server gives it; a web page is the list of a folder."""
        try:
            return bool(self.state)
        except FileNotFoundError:
            return False
        except AnswerError as error:
            # A page, not a refusal.
            if error.status < 300:
                return False
            raise

    def is_dir(self) -> bool:
        return bool(names_below(self))

    def exists(self, **_: Any) -> bool:
        return self.is_file() or self.is_dir()

    def absolute(self) -> RemotePath:
        return self

    def resolve(self, strict: bool = False) -> RemotePath:
        return self

    def open(  # type: ignore[override]
        self, mode: str = "r", buffering: int = -1, encoding: str | None = None, *_: Any
    ) -> IO[Any]:
        """Opens the file for reading; without buffering, only what is asked for is fetched."""
        if buffering == 0:
            return cast(IO[bytes], RemoteStream(self, keeps=False))
        content = io.BufferedReader(RemoteStream(self))
        return content if "b" in mode else io.TextIOWrapper(content, encoding=encoding)

    def glob(self, pattern: str) -> Generator[RemotePath, None, None]:
        """The files directly below that match."""
        for name in names_below(self):
            if "/" not in name and (self / name).match(pattern):
                yield self / name


class RemoteStream(io.RawIOBase):
    """The bytes of a remote file, of one version; raises MismatchError if it changes meanwhile.

    Unless it `keeps` blocks, it fetches exactly what is read.
    """

    def __init__(self, path: RemotePath, *, keeps: bool = True) -> None:
        self._path = path
        self._keeps = keeps
        self._address = path.address
        self._state = path.state
        self._position = 0

    def __repr__(self) -> str:
        # The name by which h5py knows the file, and its errors too.
        return str(self._path)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._state.size}[whence]
        self._position = origin + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer, except at the end: from kept blocks, or what is longer than a block at once."""
        stop = min(self._position + len(buffer), self._state.size)
        filled = 0
        while self._position < stop:
            content = self._part(self._position, stop)
            buffer[filled : filled + len(content)] = content
            filled += len(content)
            self._position += len(content)
        return filled

    def _part(self, start: int, stop: int) -> bytes:
        """The bytes from `start` to `stop`, or to the end of a block."""
        if not self._keeps or stop - start >= BLOCK:
            return read_range(self._address, self._state, start, stop)
        number, first = divmod(start, BLOCK)
        return _block(self._address, self._state, number)[first : first + stop - start]


@lru_cache(BLOCKS)
def _block(address: str, state: RemoteState, number: int) -> bytes:
    return read_range(address, state, number * BLOCK, min((number + 1) * BLOCK, state.size))


@lru_cache(64)
def names_below(folder: RemotePath) -> tuple[str, ...]:
    """The files below a folder, by their paths; none if there is no such folder. A process asks once."""
    url = str(folder)
    if url.startswith(("http://", "https://", "hf://")):
        try:
            return tuple(file.path for file in list_address(folder.address))
        except AnswerError as error:
            if error.status in (404, 410):
                return ()
            raise
    # Imported here: fsspec takes long to import.
    from shards.cache import Cache
    from shards.remote import RemoteFiles

    return tuple(sorted(RemoteFiles(url, Cache()).lengths()))


def source_path(text: str) -> Path:
    """A path of this machine, or that of a URL; raises SettingsError for a URL with a password or a query.

    >>> source_path("data/a.h5"), source_path("https://example.org/my%20runs/")
    (PosixPath('data/a.h5'), RemotePath('https://example.org/my runs'))
    """
    if not re.match(r"[a-z][a-z0-9+.-]+://", text):
        return Path(text)
    parts = urlsplit(text)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError(
            f"{without_secrets(text)}: holds a password or a query, which cards and messages would show; "
            f"{FETCH_FIRST}"
        )
    return RemotePath(unquote(text) if parts.scheme in ("http", "https") else text)
