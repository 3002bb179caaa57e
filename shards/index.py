"""What exists in a built dataset, and the proof that it is whole; written last.

A member is a run of bytes in a file: a whole object of a zarr store, or a member of a tar. Reading needs no more
than the index and the card: the same code reads both packagings, by mmap or by byte range.
"""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from shards.spec import STRICT, Split

Packaging = Literal["zarr", "webdataset"]


@dataclass(frozen=True, config=STRICT)
class Member:
    """Bytes `offset` to `offset + length` of a file below the dataset's folder."""

    path: str
    offset: int
    length: int
    crc32c: int


@dataclass(frozen=True, config=STRICT)
class Segment:
    """Frames `first` to `first + frames` of a trajectory, in one shard."""

    first: int
    frames: int
    fields: Member


@dataclass(frozen=True, config=STRICT)
class Entry:
    """One trajectory: its shards, and the document with its times and parameters."""

    key: str
    split: Split
    frames: int
    segments: tuple[Segment, ...]
    boundary: Member
    static: Member | None
    document: Member


@dataclass(frozen=True, config=STRICT)
class FileRecord:
    """One whole file of the dataset."""

    path: str
    length: int
    crc32c: int


@dataclass(frozen=True, config=STRICT)
class Index:
    """Every trajectory and every file of a dataset, and the checksum of its card."""

    dataset: str
    packaging: Packaging
    card_crc32c: int
    files: tuple[FileRecord, ...]
    trajectories: tuple[Entry, ...]
    format: Literal[1] = 1

    def split(self, split: Split) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.trajectories if entry.split == split)
