"""Reads frames from shards: maps the file, finds the frame by the shard index, decodes it in place.

Nothing here allocates what it returns into: fresh memory costs twenty times the copy
(docs/decisions/0013-reading-frames.md). Threads may share a dataset.

Axes: T time, C channel, S space.
"""

from __future__ import annotations

import mmap
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shards.card import Card
from shards.checksum import crc32c_of
from shards.errors import ShardError
from shards.files import Files, LocalFiles
from shards.format_version import format_of
from shards.index import Entry, FileRange, FileRecord, Segment, parse_index
from shards.json_text import parse
from shards.schema import Frames, Mask, Split, excerpt
from shards.shard import WHOLE, Channels, Shard, checksum_of_chunks, chunk_ranges
from shards.trajectory_document import TrajectoryDocument

# Parsed indices of shards; one costs 16 bytes a chunk, and to parse it anew some 20 microseconds.
KEPT_INDICES = 1024


class Dataset:
    """A built dataset: its card, its index, its frames. Raises ShardError where it is absent or damaged.

    The bytes of a frame are checked the first time that this process reads them
    (docs/decisions/0040-checked-chunks.md), with `verify_reads` each time.
    """

    def __init__(self, place: Path | Files, verify_reads: bool = False) -> None:
        self.files: Files = LocalFiles(place) if isinstance(place, Path) else place
        self.verify_reads = verify_reads
        text = self.files.read("index.json")
        self._identity = crc32c_of(text)
        self.index = parse_index(text, self.files.where("index.json"))
        text, where = self.files.read("card.json"), self.files.where("card.json")
        if crc32c_of(text) != self.index.card_crc32c:
            raise ShardError(f"{where}: was changed after the build; run walrus-ingest build again")
        format_of(text, where)
        self.card = parse(Card, text, where)
        # By path, offset and checksum of each shard that this process knows to be the right one: its chunks
        # that are checked. Kept for all shards, as another check would read what a window does not need.
        self._proven: dict[tuple[str, int, int | None], bytearray] = {}
        self._map = lru_cache(maxsize=self.files.maps)(self._map_file)
        self._ranges = lru_cache(maxsize=KEPT_INDICES)(self._read_ranges)

    def __reduce__(self) -> tuple[type[Dataset], tuple[Files, bool]]:
        # Another process opens and maps the files itself.
        return Dataset, (self.files, self.verify_reads)

    @property
    def folder(self) -> Path:
        """Its folder on this machine; raises ShardError where it is behind a URL."""
        if not isinstance(self.files, LocalFiles):
            raise ShardError(f"{self.files.where()}: is not on this machine; copy the folder here first")
        return self.files.folder

    def entries(self, split: Split) -> tuple[Entry, ...]:
        return self.index.split(split)

    def require_unchanged(self) -> None:
        """Raises ShardError where the dataset was built anew, or removed, since it was opened.

        Files that were appended change nothing of what is read here.
        """
        where = self.files.where()
        try:
            text = self.files.read("index.json")
            if crc32c_of(text) == self._identity:
                return
            files = set(parse_index(text, self.files.where("index.json")).files)
        except ShardError as error:
            raise ShardError(f"{where}: is no longer the dataset that was opened ({error})") from error
        if not files.issuperset(self.index.files):
            raise ShardError(
                f"{where}: was rebuilt while it was read, its values may differ; start again with the new one"
            )

    def read_frames(
        self, entry: Entry, frames: Sequence[int], out_TCS: Frames, channels: Channels = WHOLE
    ) -> None:
        """Decode these frames into these channels of `out_TCS`, in stored units, cast into its dtype."""
        chunk, dtype = self.card.chunk, self.card.schema.dtype
        segment: Segment | None = None
        for frame, out_CS in zip(frames, out_TCS, strict=True):
            if segment is None or not segment.first <= frame < segment.first + segment.frames:
                segment = _segment_of(entry, frame)
                shard = self._shard(entry, segment)
            try:
                shard.frame_into(frame - segment.first, chunk, dtype, out_CS, channels)
            except ShardError as error:
                raise self._fault(entry, segment, frame, error) from error

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

    def document(self, entry: Entry) -> TrajectoryDocument:
        """Times, parameters and origin of a trajectory."""
        text, where = bytes(self.checked_bytes_of(entry.document)), self.files.where(entry.document.path)
        if self.index.packaging == "zarr":
            return parse(_GroupDocument, text, where).attributes.walrus
        return parse(TrajectoryDocument, text, where)

    def bytes_of(self, member: FileRange) -> memoryview:
        """The member without a copy; raises ShardError where the file is shorter."""
        whole = self._map(member.path)
        # A process that reads mapped bytes which the file has lost is killed (SIGBUS): look before each read
        # (docs/decisions/0159-cut-while-it-is-read.md).
        length = min(len(whole), whole.size())
        if member.offset + member.length > length:
            raise ShardError(
                f"{self.files.where(member.path)}: has {length} bytes, "
                f"a member ends at {member.offset + member.length}; the file was cut, build it again"
            )
        return memoryview(whole)[member.offset : member.offset + member.length]

    def checked_bytes_of(self, member: FileRange) -> memoryview:
        """The member, after all of it was read; raises ShardError where its bytes are not those of the
        index.
        """
        data = self.bytes_of(member)
        if crc32c_of(data) != member.crc32c:
            where = self.files.where(member.path)
            raise ShardError(f"{where}: bytes at {member.offset} differ from the index; {self._cure(member)}")
        return data

    def slots(self, entry: Entry) -> int:
        """Chunks that each of its shards has room for."""
        return entry.segments[0].frames * (self.card.schema.grid.shape[0] // self.card.chunk[1])

    def _shard(self, entry: Entry, segment: Segment) -> Shard:
        try:
            ranges, proven = self._ranges(segment, self.slots(entry))
            data = self.bytes_of(segment.fields)
            return Shard(data, ranges, self.card.codec, self.card.checked_chunks, proven)
        except ShardError as error:
            raise self._fault(entry, segment, segment.first, error) from error

    def _fault(self, entry: Entry, segment: Segment, frame: int, error: ShardError) -> ShardError:
        where = f"{self.files.where(segment.fields.path)}: trajectory {entry.key}, frame {frame}"
        return ShardError(f"{where}: {error}; {self._cure(segment.fields)}")

    def _cure(self, member: FileRange) -> str:
        record = self._records.get(member.path)
        self._map.cache_clear()
        return "build the dataset again" if record is None else self.files.cure(record)

    def _read_single(self, member: FileRange, out: Frames | Mask) -> None:
        data = self.checked_bytes_of(member)
        try:
            Shard(data, chunk_ranges(data, 1), self.card.codec, self.card.checked_chunks).chunk_into(0, out)
        except ShardError as error:
            raise ShardError(f"{self.files.where(member.path)}: {error}; {self._cure(member)}") from error

    def _read_ranges(self, segment: Segment, slots: int) -> tuple[npt.NDArray[np.uint64], bytearray | None]:
        """The index of a shard, known to be the one that the dataset means, and which chunks are proven.

        Before format 2 chunks have no checksums: all bytes are read the first time.
        """
        member = segment.fields
        place = member.path, member.offset, segment.chunks_crc32c
        data = self.bytes_of(member)
        ranges = chunk_ranges(data, slots)
        if place not in self._proven:
            if segment.chunks_crc32c is None:
                self.checked_bytes_of(member)
            elif checksum_of_chunks(data, ranges) != segment.chunks_crc32c:
                raise ShardError("the checksums of its chunks are not those of the index, it is another file")
            self._proven[place] = bytearray(slots)
        return ranges, None if self.verify_reads else self._proven[place]

    @cached_property
    def _records(self) -> dict[str, FileRecord]:
        return {record.path: record for record in self.index.files}

    def _map_file(self, path: str) -> mmap.mmap:
        """The whole file; only those of the index are opened."""
        where = self.files.where(path)
        if path not in self._records:
            raise ShardError(
                f"{where}: the index has a member in it but not the file; build the dataset again"
            )
        with self.files.open(self._records[path]) as file:
            try:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError) as error:
                raise ShardError(f"{where}: cannot be mapped ({error}); run walrus-ingest verify") from error
        if len(mapped) != self._records[path].length:
            raise ShardError(
                f"{where}: has {len(mapped)} bytes, the index says {self._records[path].length}; "
                "the file was cut or replaced, build it again"
            )
        return mapped


@excerpt
class _Attributes:
    walrus: TrajectoryDocument


@excerpt
class _GroupDocument:
    """The zarr.json of a group, as far as we need it."""

    attributes: _Attributes


def _segment_of(entry: Entry, frame: int) -> Segment:
    if not 0 <= frame < entry.frames:
        raise ShardError(f"trajectory {entry.key} has frames 0 to {entry.frames - 1}, asked for {frame}")
    return entry.segments[bisect_right(entry.segments, frame, key=lambda segment: segment.first) - 1]
