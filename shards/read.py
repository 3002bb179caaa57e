"""Frames out of shards: the file is mapped, the frame found by the shard index and decoded where it is wanted.

Nothing here allocates what it returns into: fresh memory costs twenty times the copy. Safe to call from threads.

Axes: T time, C channel, S space.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import google_crc32c
import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass

from shards.card import Card
from shards.document import parse
from shards.errors import ShardError
from shards.index import Entry, Index, Member, Segment
from shards.shard import Shard, chunk_ranges
from shards.spec import Frames, Mask, Split
from shards.trajectory import Document

# A dataset. A map holds a file descriptor, of which a process has 1024 by default, for up to 27 datasets.
OPEN_FILES = 24


class Dataset:
    """A built dataset: its card, its index, and its frames; raises ShardError where it is absent or damaged."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "index.json").is_file():
            state = "is not finished" if folder.is_dir() else "does not exist"
            raise ShardError(f"{folder}: the dataset {state} (no index.json); run walrus-ingest build")
        self.folder = folder
        self.index = parse(Index, _read(folder / "index.json"), str(folder / "index.json"))
        text = _read(folder / "card.json")
        if google_crc32c.value(text) != self.index.card_crc32c:
            raise ShardError(f"{folder / 'card.json'}: was changed after the build; run walrus-ingest build again")
        self.card = parse(Card, text, str(folder / "card.json"))
        self._map = lru_cache(maxsize=OPEN_FILES)(self._map_file)
        self._ranges = lru_cache(maxsize=65536)(self._read_ranges)

    def entries(self, split: Split) -> tuple[Entry, ...]:
        return self.index.split(split)

    def read_frames(self, entry: Entry, frames: Sequence[int], out_TCS: Frames) -> None:
        """Decode these frames into `out_TCS`, in stored units; `out_TCS` has the card's dtype or is cast into."""
        for out_CS, frame in zip(out_TCS, frames, strict=True):
            segment = _segment_of(entry, frame)
            try:
                self._read_frame(segment, entry.segments[0].frames, frame - segment.first, out_CS)
            except ShardError as error:
                where = f"{self.folder / segment.fields.path}: trajectory {entry.key}, frame {frame}"
                raise ShardError(f"{where}: {error}; run walrus-ingest verify") from error

    def static(self, entry: Entry) -> Frames:
        """[C, *S] of the constant fields in stored units; C may be 0."""
        schema = self.card.schema
        values = np.empty(schema.static_shape, schema.dtype)
        if entry.static is not None:
            self._read_single(entry.static, values)
        return values

    def boundary(self, entry: Entry) -> Mask:
        """Per-cell bits [*S]."""
        values = np.empty(self.card.schema.grid.shape, np.uint8)
        self._read_single(entry.boundary, values)
        return values

    def document(self, entry: Entry) -> Document:
        """Times, parameters and origin of a trajectory."""
        text, where = bytes(self.bytes_of(entry.document)), str(self.folder / entry.document.path)
        if self.index.packaging == "zarr":
            return parse(_GroupDocument, text, where).attributes.walrus
        return parse(Document, text, where)

    def bytes_of(self, member: Member) -> memoryview:
        """The member as it lies in its file; raises ShardError where the file is shorter."""
        whole = self._map(member.path)
        if member.offset + member.length > len(whole):
            raise ShardError(
                f"{self.folder / member.path}: has {len(whole)} bytes, "
                f"a member ends at {member.offset + member.length}; the file was cut, build it again"
            )
        return memoryview(whole)[member.offset : member.offset + member.length]

    def _read_frame(self, segment: Segment, shard_frames: int, frame: int, out_CS: Frames) -> None:
        card = self.card
        slots = shard_frames * (out_CS.shape[1] // card.chunk[1])
        shard = Shard(self.bytes_of(segment.fields), self._ranges(segment.fields, slots), card.codec)
        shard.frame_into(frame, card.chunk, card.schema.dtype, out_CS)

    def _read_single(self, member: Member, out: Frames | Mask) -> None:
        data = self.bytes_of(member)
        try:
            Shard(data, chunk_ranges(data, 1), self.card.codec).chunk_into(0, out)
        except ShardError as error:
            raise ShardError(f"{self.folder / member.path}: {error}; run walrus-ingest verify") from error

    def _read_ranges(self, member: Member, slots: int) -> npt.NDArray[np.uint64]:
        return chunk_ranges(self.bytes_of(member), slots)

    def _map_file(self, path: str) -> mmap.mmap:
        place = self.folder / path
        try:
            with place.open("rb") as file:
                return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise ShardError(f"{place}: cannot be mapped ({error}); run walrus-ingest verify") from error


@dataclass(frozen=True)
class _Attributes:
    walrus: Document


@dataclass(frozen=True)
class _GroupDocument:
    """The zarr.json of a group, as far as we need it."""

    attributes: _Attributes


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ShardError(f"{path}: cannot be read ({error.strerror}); run walrus-ingest build again") from error


def _segment_of(entry: Entry, frame: int) -> Segment:
    if not 0 <= frame < entry.frames:
        raise ShardError(f"trajectory {entry.key} has frames 0 to {entry.frames - 1}, asked for {frame}")
    return next(s for s in entry.segments if s.first <= frame < s.first + s.frames)
