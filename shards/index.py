"""The index of a built dataset: every file and trajectory with its checksum; written last.

A member is a range of bytes in a file: a whole object of a zarr store, or a member of a tar. Reading needs
only the index and the card, so the same code reads both packagings.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from shards.errors import ShardError
from shards.format_version import FORMAT, Format, format_of
from shards.json_text import checked_content, dump_with_checksum, parse
from shards.nearest_name import require_known
from shards.schema import SPLITS, AtLeastOne, FolderName, Key, Natural, Split, checked

Packaging = Literal["zarr", "webdataset"]


def _stays_inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts:
        raise ValueError(f"{path!r} leaves the dataset's folder")
    return path


PathInside = Annotated[str, AfterValidator(_stays_inside)]


@checked
class FileRange:
    """Bytes `offset` to `offset + length` of a file below the dataset's folder."""

    path: PathInside
    offset: Natural
    length: Natural
    crc32c: int


@checked
class Segment:
    """Frames `first` to `first + frames` of a trajectory, in one shard."""

    first: Natural
    frames: AtLeastOne
    fields: FileRange
    # The checksum of the checksums at the ends of the chunks: it detects another shard of the same length.
    # Absent before format 2.
    chunks_crc32c: int | None = None


@checked
class Entry:
    """A trajectory: its shards, its boundary mask, and the document with its times and parameters."""

    key: Key
    split: Split
    frames: AtLeastOne
    segments: tuple[Segment, ...]
    boundary: FileRange
    static: FileRange | None
    document: FileRange

    @model_validator(mode="after")
    def _segments_follow_each_other(self) -> Entry:
        end = 0
        for segment in self.segments:
            if segment.first != end:
                raise ValueError(f"{self.key} has no shard for frame {end}")
            end += segment.frames
        if end != self.frames:
            raise ValueError(f"{self.key} has shards for {end} frames, expected {self.frames}")
        return self


@checked
class FileRecord:
    """One whole file of the dataset."""

    path: PathInside
    length: Natural
    crc32c: int


@checked
class DatasetIndex:
    """All trajectories and files of a dataset, and the checksums of its card and its recipe."""

    dataset: FolderName
    packaging: Packaging
    card_crc32c: int
    files: tuple[FileRecord, ...]
    trajectories: tuple[Entry, ...]
    recipe_crc32c: int | None = None
    format: Format = FORMAT

    def split(self, split: Split) -> tuple[Entry, ...]:
        """The trajectories of a split; raises SettingsError if there is no split of this name."""
        require_known("split", split, SPLITS)
        return tuple(entry for entry in self.trajectories if entry.split == split)


def index_text(index: DatasetIndex) -> bytes:
    """The text of index.json."""
    return dump_with_checksum(DatasetIndex, index)


def parse_index(text: bytes, where: str) -> DatasetIndex:
    """The index in this text; raises ShardError if it is damaged or has a newer format."""
    content = checked_content(text, where)
    if format_of(content or text, where) >= 2 and content is None:
        raise ShardError(f"{where}: its checksum is missing; delete it and build again")
    return parse(DatasetIndex, content or text, where)
