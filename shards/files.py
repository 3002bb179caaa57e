"""Where the files of a dataset are: in a folder of this machine, or behind a URL (shards/remote.py)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from shards.errors import ShardError
from shards.index import FileRecord


class Files(Protocol):
    """The files of one dataset, by their path below its folder; `maps` of them may be mapped at once."""

    @property
    def maps(self) -> int: ...

    def where(self, path: str = "") -> str:
        """The whole name of a file, or of the folder, for messages."""
        ...

    def read(self, path: str) -> bytes:
        """A small file; raises ShardError where it is absent."""
        ...

    def open(self, record: FileRecord) -> BinaryIO:
        """A file of the index, to be mapped; raises ShardError where it cannot be had."""
        ...


@dataclass(frozen=True)
class LocalFiles:
    """A folder."""

    folder: Path
    # A map holds a file descriptor, of which a process has 1024 by default, for up to 27 datasets.
    maps: int = 24

    def where(self, path: str = "") -> str:
        return str(self.folder / path)

    def read(self, path: str) -> bytes:
        try:
            return (self.folder / path).read_bytes()
        except FileNotFoundError as error:
            state = "is not finished" if self.folder.is_dir() else "does not exist"
            raise ShardError(
                f"{self.folder}: the dataset {state} (no {path}); run walrus-ingest build"
            ) from error
        except OSError as error:
            raise ShardError(f"{self.where(path)}: cannot be read ({error.strerror})") from error

    def open(self, record: FileRecord) -> BinaryIO:
        try:
            return (self.folder / record.path).open("rb")
        except OSError as error:
            reason = error.strerror
            raise ShardError(
                f"{self.where(record.path)}: cannot be opened ({reason}); run walrus-ingest verify"
            ) from error
