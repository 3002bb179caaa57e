"""Reads frames from shards: maps the file, finds the frame by the shard index, decodes it into given memory.

Callers give the memory for the frames, because allocating it costs twenty times the copy
(docs/decisions/0013-reading-frames.md). Threads may share a dataset.

Axes: T time, C channel, S space.
"""

from __future__ import annotations

import mmap
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from math import prod
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
from shards.shard import (
    CHECKSUM_BYTES,
    WHOLE,
    Channels,
    Shard,
    checksum_of_chunks,
    chunk_ranges,
    copy_channels,
    even_chunks,
)
from shards.trajectory_document import TrajectoryDocument

# The number of parsed shard indices that are kept; one needs 16 bytes per chunk, parsing it about 20 us.
KEPT_INDICES = 1024


@dataclass(frozen=True, eq=False)
class _ShardIndex:
    """The parsed index of an identified shard: what `Shard` takes besides the bytes."""

    ranges: npt.NDArray[np.uint64]
    proven: bytearray | None
    even: int


class Dataset:
    """A built dataset: its card, its index, its frames. Raises ShardError if it is absent or damaged.

    The checksum of a chunk is compared when this process reads it for the first time
    (docs/decisions/0040-checked-chunks.md), or every time with `verify_reads`.
    """

    def __init__(self, place: Path | Files, *, verify_reads: bool = False) -> None:
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
        # The shards that this process has identified, by path, offset and checksum, and which of their chunks
        # are checked. Kept for all shards: identifying one again would read more than a window needs.
        self._proven: dict[tuple[str, int, int | None], bytearray] = {}
        self._map = lru_cache(maxsize=self.files.maps)(self._map_file)
        self._index_of = lru_cache(maxsize=KEPT_INDICES)(self._read_index)

    def __reduce__(self) -> tuple[Callable[[], Dataset], tuple[()]]:
        # An unpickled copy opens and maps the files in its own process.
        return partial(Dataset, self.files, verify_reads=self.verify_reads), ()

    @property
    def folder(self) -> Path:
        """Its folder on this machine; raises ShardError if it is behind a URL."""
        if not isinstance(self.files, LocalFiles):
            raise ShardError(f"{self.files.where()}: is not on this machine; copy the folder here first")
        return self.files.folder

    def entries(self, split: Split) -> tuple[Entry, ...]:
        return self.index.split(split)

    def require_unchanged(self) -> None:
        """Raises ShardError if the dataset was rebuilt or removed after it was opened.

        Appended files are allowed: they do not change the files that are read here.
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

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """For a work that reads the dataset; raises ShardError if it was rebuilt meanwhile.

        The error then replaces one of a shard that follows from it.
        """
        try:
            yield
        except ShardError:
            self.require_unchanged()
            raise
        self.require_unchanged()

    def read_frames(
        self, entry: Entry, frames: Sequence[int], out_TCS: Frames, channels: Channels = WHOLE
    ) -> None:
        """Decodes these frames into these channels of `out_TCS` [T, C, *S], in stored units and its dtype.

        A range of `raw` frames that were checked before is copied at once
        (docs/decisions/0156-time-in-python.md).
        """
        if isinstance(frames, range) and self._copied_at_once(entry, frames, out_TCS, channels):
            return
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

    def _copied_at_once(self, entry: Entry, frames: range, out_TCS: Frames, channels: Channels) -> bool:
        """Whether these frames could be copied by one call; if not, `out_TCS` is unchanged."""
        if self.card.codec != "raw" or not frames:
            return False
        segment = _segment_of(entry, frames[0])
        local = range(frames.start - segment.first, frames.stop - segment.first, frames.step)
        values_TCS = self._shard(entry, segment).view_frames(local, self.card.chunk, self.card.schema.dtype)
        if values_TCS is None:
            return False
        copy_channels(values_TCS.swapaxes(0, 1), out_TCS.swapaxes(0, 1), channels)
        return True

    def static(self, entry: Entry) -> Frames:
        """The constant fields [C, *S] in stored units; C may be 0."""
        schema = self.card.schema
        values = np.empty(schema.static_shape, schema.dtype)
        if entry.static is not None:
            self._read_single(entry.static, values)
        return values

    def boundary(self, entry: Entry) -> Mask:
        """The boundary bits of each cell [*S]."""
        values = np.empty(self.card.schema.grid.shape, np.uint8)
        self._read_single(entry.boundary, values)
        return values

    def document(self, entry: Entry) -> TrajectoryDocument:
        """The document of a trajectory: times, parameters, origin."""
        text, where = bytes(self.checked_bytes_of(entry.document)), self.files.where(entry.document.path)
        if self.index.packaging == "zarr":
            return parse(_GroupDocument, text, where).attributes.walrus
        return parse(TrajectoryDocument, text, where)

    def bytes_of(self, member: FileRange) -> memoryview:
        """The bytes of a member without a copy; raises ShardError if the file is too short."""
        whole = self._map(member.path)
        # A process that reads mapped bytes beyond the end of a file is killed (SIGBUS): look before each read
        # (docs/decisions/0159-cut-while-it-is-read.md).
        length = min(len(whole), whole.size())
        if member.offset + member.length > length:
            raise ShardError(
                f"{self.files.where(member.path)}: has {length} bytes, "
                f"a member ends at {member.offset + member.length}; the file was cut, build it again"
            )
        return memoryview(whole)[member.offset : member.offset + member.length]

    def checked_bytes_of(self, member: FileRange) -> memoryview:
        """The bytes of a member, all read and checked; raises ShardError if they differ from the index."""
        data = self.bytes_of(member)
        if crc32c_of(data) != member.crc32c:
            where = self.files.where(member.path)
            raise ShardError(f"{where}: bytes at {member.offset} differ from the index; {self._cure(member)}")
        return data

    def slots(self, entry: Entry) -> int:
        """The number of chunks for which each of its shards has room."""
        return entry.segments[0].frames * (self.card.schema.grid.shape[0] // self.card.chunk[1])

    def _shard(self, entry: Entry, segment: Segment) -> Shard:
        try:
            index = self._index_of(segment, self.slots(entry))
            data, card = self.bytes_of(segment.fields), self.card
            return Shard(data, index.ranges, card.codec, card.checked_chunks, index.proven, index.even)
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

    def _read_index(self, segment: Segment, slots: int) -> _ShardIndex:
        """The index of a shard; raises ShardError for another shard than the index of the dataset says.

        Before format 2 chunks have no checksums: then all bytes are read and checked the first time.
        """
        member = segment.fields
        place = member.path, member.offset, segment.chunks_crc32c
        data = self.bytes_of(member)
        ranges = chunk_ranges(data, slots)
        if place not in self._proven:
            if segment.chunks_crc32c is None:
                self.checked_bytes_of(member)
            elif checksum_of_chunks(data, ranges) != segment.chunks_crc32c:
                raise ShardError("the checksums of its chunks differ from the index, it is another file")
            self._proven[place] = bytearray(slots)
        proven = None if self.verify_reads else self._proven[place]
        return _ShardIndex(ranges, proven, self._even_frames(ranges))

    def _even_frames(self, ranges: npt.NDArray[np.uint64]) -> int:
        """The number of `raw` frames at the start of a shard that are whole chunks without gaps."""
        chunk, schema = self.card.chunk, self.card.schema
        if self.card.codec != "raw" or chunk != schema.frame_shape:
            return 0
        checksum = CHECKSUM_BYTES if self.card.checked_chunks else 0
        return even_chunks(ranges, prod(chunk) * np.dtype(schema.dtype).itemsize + checksum)

    @cached_property
    def _records(self) -> dict[str, FileRecord]:
        return {record.path: record for record in self.index.files}

    def _map_file(self, path: str) -> mmap.mmap:
        """Maps a whole file; only files of the index are opened."""
        where = self.files.where(path)
        if path not in self._records:
            raise ShardError(
                f"{where}: the index lists a member of this file but not the file; build the dataset again"
            )

        with self.files.open(self._records[path]) as file:
            try:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError) as error:
                raise ShardError(f"{where}: cannot be mapped ({error}); run walrus-ingest verify") from error

        if len(mapped) != self._records[path].length:
            raise ShardError(
                f"{where}: has {len(mapped)} bytes, the index says {self._records[path].length}; "
                "the file was cut or replaced: wait if a build is running, otherwise build again"
            )

        return mapped


@excerpt
class _Attributes:
    walrus: TrajectoryDocument


@excerpt
class _GroupDocument:
    """The zarr.json of a group, only the part that we need."""

    attributes: _Attributes


def _segment_of(entry: Entry, frame: int) -> Segment:
    if not 0 <= frame < entry.frames:
        raise ShardError(f"trajectory {entry.key} has frames 0 to {entry.frames - 1}, asked for {frame}")
    return entry.segments[bisect_right(entry.segments, frame, key=lambda segment: segment.first) - 1]
