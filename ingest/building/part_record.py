"""The record of a finished part: what index and card need, and the digest by which a later run knows it."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import Protocol

from shards.card import QuarantineEntry
from shards.errors import ShardError
from shards.index import Entry, FileRecord
from shards.json_text import parse_with_checksum
from shards.moments import Moments
from shards.schema import checked

RECORDS = "parts"
# The digest of a part for which a server gave no answer: no later run takes it for done.
TO_BE_REPEATED = ""


class PartName(Protocol):
    """Name of a part, and the digest of everything that decides its bytes."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...


@checked
class PartRecord:
    """The record of a finished part."""

    digest: str
    entries: tuple[Entry, ...]
    files: tuple[FileRecord, ...]
    moments: tuple[Moments, ...]
    static_moments: tuple[Moments, ...]
    repeated_frames: int
    quarantine: tuple[QuarantineEntry, ...]
    # The largest error of each channel; empty if every bit is kept.
    errors: tuple[float, ...] = ()
    # Modification times (nanoseconds) of large files, whose digest covers samples only.
    modified: dict[str, int] = field(default_factory=dict)
    # One sentence for each value far from all others of its frame.
    outliers: tuple[str, ...] = ()


def record_path(dataset: Path, part: str) -> Path:
    return dataset / RECORDS / f"{part}.json"


def read_record(dataset: Path, part: PartName) -> PartRecord | None:
    """The record of a part that is done as planned and has all its files; otherwise None."""
    path = record_path(dataset, part.name)
    if not path.is_file():
        return None
    try:
        record = parse_with_checksum(PartRecord, path.read_bytes(), str(path))
    except ShardError:
        return None
    if record.digest != part.digest:
        return None
    whole = all(_has_length(dataset / file.path, file.length) for file in record.files)
    return record if whole else None


def _has_length(path: Path, length: int) -> bool:
    return path.is_file() and path.stat().st_size == length
