"""Opens the files of a dataset in a folder of this machine; shards/remote.py does the same behind a URL.

The reasons for its limits are in docs/decisions/0041-nothing-of-others-is-believed.md.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from shards.disk import open_regular
from shards.errors import ShardError
from shards.index import FileRecord
from shards.nearest_name import did_you_mean

# Larger than the index of 300,000 trajectories. A larger document is not ours, and would fill the memory.
LARGEST_DOCUMENT = 512 * 10**6


class Files(Protocol):
    """The files of a dataset, by their paths below its folder; at most `maps` of them are mapped at once."""

    @property
    def maps(self) -> int: ...

    def where(self, path: str = "") -> str:
        """The full name of a file, or of the folder, for messages."""
        ...

    def read(self, path: str) -> bytes:
        """The bytes of a document; raises ShardError if it is absent or too large."""
        ...

    def holds(self, path: str) -> bool:
        """Whether this file exists."""
        ...

    def open(self, record: FileRecord) -> BinaryIO:
        """Opens a file of the index, to be mapped; raises ShardError if that fails."""
        ...

    def cure(self, record: FileRecord) -> str:
        """What to do about a damaged file, in words; removes our own copy of a remote file."""
        ...


@dataclass(frozen=True)
class LocalFiles:
    """The files of a dataset in a folder of this machine."""

    folder: Path
    # Each map holds a file descriptor. A process has 1024 by default, and may open 27 datasets.
    maps: int = 24

    def where(self, path: str = "") -> str:
        return str(self.folder / path)

    def read(self, path: str) -> bytes:
        """The bytes of a document; raises ShardError if it is absent, too large or unreadable."""
        try:
            with open_regular(self.folder / path) as file:
                require_size(os.fstat(file.fileno()).st_size, self.where(path))
                return file.read(LARGEST_DOCUMENT)
        except ShardError:
            raise
        except FileNotFoundError as error:
            raise ShardError(_absent(self.folder, path)) from error
        except OSError as error:
            raise ShardError(f"{self.where(path)}: cannot be read ({error.strerror})") from error

    def holds(self, path: str) -> bool:
        return (self.folder / path).is_file()

    def open(self, record: FileRecord) -> BinaryIO:
        try:
            return open_regular(self.folder / record.path)
        except OSError as error:
            reason = error.strerror
            raise ShardError(
                f"{self.where(record.path)}: cannot be opened ({reason}); run walrus-ingest verify"
            ) from error

    def cure(self, record: FileRecord) -> str:
        return "run walrus-ingest verify"


def datasets_in(root: Path) -> list[str]:
    """The names of the finished datasets in a folder; none if it does not exist."""
    return sorted(each.parent.name for each in root.glob("*/index.json"))


def name_one(root: Path, names: list[str]) -> str:
    """What to do where a root was named in place of one of its datasets."""
    return f"{root}: holds the datasets {', '.join(names)}; name one of them, such as {root / names[0]}"


def _absent(folder: Path, path: str) -> str:
    """Why a folder has no such document, and what to do."""
    if folder.is_dir():
        if inside := datasets_in(folder):
            return name_one(folder, inside)
        if not any((folder / each).exists() for each in ("parts", "card.json", "index.json")):
            return f"{folder}: is no dataset (no {path}); name a folder that walrus-ingest build wrote"
    state = "is not finished" if folder.is_dir() else "does not exist"
    others = [each for each in datasets_in(folder.parent) if each != folder.name]
    return (
        f"{folder}: the dataset {state} (no {path}); run walrus-ingest build"
        f"{did_you_mean(folder.name, others)}"
    )


def require_size(length: int, where: str) -> None:
    """Raises ShardError if a file is too large for a document."""
    if length > LARGEST_DOCUMENT:
        raise ShardError(
            f"{where}: is larger than {LARGEST_DOCUMENT} bytes, too large for a document; build the "
            "dataset again"
        )
