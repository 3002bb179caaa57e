"""Writes and reads the shard object: chunks one after the other, then an index, as in zarr's sharding codec.

The index holds (offset, length) of each chunk as little-endian uint64, both 2^64-1 for a missing chunk, and
ends in the crc32c of these pairs. A chunk ends in its own crc32c since format 2. A zarr store and a tar hold
the same object (docs/decisions/0040-checked-chunks.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shards.checksum import crc32c_of
from shards.codec import CodecName, decode_into, encode, raw_frames, raw_values
from shards.errors import ShardError
from shards.schema import DType, Frames, Mask

MISSING = 2**64 - 1
CHECKSUM_BYTES = 4
# The offset and the length of a chunk in the index.
RANGE_BYTES = 16
# Larger frames are cut into chunks along the first axis of space: otherwise decoding would not fit the
# caches.
LARGEST_CHUNK = 16 * 2**20

# Slices of the channels of a buffer into which the channels of a frame are copied, in order.
Channels = tuple[slice, ...]
WHOLE: Channels = (slice(None),)


def chunk_shape(frame_shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """The shape [C, *S] of a chunk: a whole frame, or the largest even part along the first axis of space.

    >>> chunk_shape((4, 512, 128, 128), itemsize=4)
    (4, 64, 128, 128)
    """
    channels, first, *rest = frame_shape
    frame_bytes = int(np.prod(frame_shape)) * itemsize
    cuts = next(
        n for n in range(1, first + 1) if first % n == 0 and (frame_bytes // n <= LARGEST_CHUNK or n == first)
    )
    return (channels, first // cuts, *rest)


def shard_stream(
    frames: Iterator[Frames], slots: int, chunk: tuple[int, ...], codec: CodecName
) -> Iterator[bytes]:
    """Yields the bytes of a shard with room for `slots` chunks, chunk by chunk, then the index.

    Takes one frame [C, *S] at a time.
    """
    ranges = np.full((slots, 2), MISSING, "<u8")
    offset = slot = 0
    for frame in frames:
        for piece in _cut(frame, chunk):
            encoded = with_checksum(encode(piece, codec))
            ranges[slot] = offset, len(encoded)
            offset += len(encoded)
            slot += 1
            yield encoded
        # These are views: they would keep the memory of their slab while the next one is read.
        del frame, piece
    yield _index(ranges)


def single_chunk_shard(values: Frames | Mask, codec: CodecName) -> bytes:
    """A shard with one chunk: the constant fields or the boundary mask of a trajectory."""
    encoded = with_checksum(encode(values, codec))
    return encoded + _index(np.array([(0, len(encoded))], "<u8"))


def with_checksum(data: bytes) -> bytes:
    """These bytes followed by their crc32c, as zarr's codec crc32c writes it."""
    return data + crc32c_of(data).to_bytes(CHECKSUM_BYTES, "little")


def _index(ranges: npt.NDArray[np.uint64]) -> bytes:
    return with_checksum(ranges.tobytes())


def cuts_the_frame(chunk: tuple[int, ...], frame_shape: tuple[int, ...]) -> bool:
    """Whether `chunk` [C, *S] is a frame, or an even part of it along the first axis of space."""
    if len(chunk) != len(frame_shape) or (chunk[0], chunk[2:]) != (frame_shape[0], frame_shape[2:]):
        return False
    return chunk[1] >= 1 and frame_shape[1] % chunk[1] == 0


def _cut(frame: Frames, chunk: tuple[int, ...]) -> Iterator[Frames]:
    height = chunk[1]
    for start in range(0, frame.shape[1], height):
        yield frame[:, start : start + height]


def chunk_ranges(shard: memoryview, slots: int) -> npt.NDArray[np.uint64]:
    """The (offset, length) of each chunk [slots, 2]; raises ShardError if the index is damaged."""
    start = len(shard) - slots * RANGE_BYTES - CHECKSUM_BYTES
    if start < 0:
        raise ShardError(f"the shard has {len(shard)} bytes, too few for an index of {slots} chunks")
    try:
        index = checked_bytes(shard[start:])
    except ShardError as error:
        raise ShardError("the checksum of the shard index does not match") from error
    ranges = np.frombuffer(index, "<u8").reshape(slots, 2)
    if not end_within(ranges, start):
        raise ShardError("the shard index points outside the shard")
    return ranges


def checked_bytes(data: memoryview) -> memoryview:
    """The bytes without the crc32c at their end; raises ShardError if it does not match."""
    content, checksum = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:]
    if len(checksum) < CHECKSUM_BYTES or crc32c_of(content) != int.from_bytes(checksum, "little"):
        raise ShardError("its checksum does not match, bytes have changed")
    return content


def checksum_of_chunks(shard: memoryview, ranges: npt.NDArray[np.uint64]) -> int:
    """The crc32c of the checksums at the ends of all chunks, in order: it identifies a shard."""
    ends = ranges[ranges[:, 0] != MISSING].sum(axis=1).astype(np.int64)
    if (ends < CHECKSUM_BYTES).any():
        raise ShardError("a chunk is too short for its checksum")
    last = np.arange(-CHECKSUM_BYTES, 0)
    return crc32c_of(np.frombuffer(shard, np.uint8)[ends[:, None] + last].tobytes())


def even_chunks(ranges: npt.NDArray[np.uint64], length: int) -> int:
    """How many chunks at the start of a shard have this length and follow each other without a gap."""
    expected = np.arange(len(ranges), dtype=np.uint64) * np.uint64(length) + ranges[0, 0]
    fits = (ranges[:, 0] == expected) & (ranges[:, 1] == length)
    return len(fits) if fits.all() else int(fits.argmin())


def end_within(ranges: npt.NDArray[np.uint64], length: int) -> bool:
    """Whether all chunks of (offset, length) [slots, 2] that exist end within `length` bytes."""
    offsets, lengths = ranges[ranges[:, 0] != MISSING].T
    end = np.uint64(length)
    # Not offset + length: two hostile 64-bit numbers may overflow.
    return bool((offsets <= end).all() and (lengths <= end - offsets).all())


@dataclass(frozen=True)
class Shard:
    """A shard in memory or in a map, with its parsed index.

    `checked_chunks` says that each chunk ends in its checksum. `proven` holds one byte per chunk, 1 after its
    first check, so that each chunk is checked once; without it every read checks. The first `even` chunks
    are `raw`, equally long and without gaps (`even_chunks`), so that many are read at once.
    """

    data: memoryview
    ranges: npt.NDArray[np.uint64]
    codec: CodecName
    checked_chunks: bool
    proven: bytearray | None = None
    even: int = 0

    def chunk_into(self, slot: int, out: Frames | Mask) -> None:
        """Decodes a chunk into contiguous memory of its shape and dtype; raises ShardError if damaged."""
        decode_into(self._chunk(slot), self.codec, out)

    def view_frames(self, frames: range, chunk: tuple[int, ...], dtype: DType) -> Frames | None:
        """These frames [T, C, *S] without a copy, if a chunk is a frame and all are even and checked.

        Otherwise None: then `frame_into` reads and checks them one by one.
        """
        if self.proven is None or frames.step < 1 or not 0 <= frames[0] <= frames[-1] < self.even:
            return None
        slots = slice(frames.start, frames.stop, frames.step)
        if self.checked_chunks and 0 in self.proven[slots]:
            return None
        start, length = self.ranges[0].tolist()
        data = np.frombuffer(self.data, np.uint8, self.even * length, start).reshape(self.even, length)
        return raw_frames(data[slots], chunk, dtype)

    def frame_into(
        self, frame: int, chunk: tuple[int, ...], dtype: DType, out_CS: Frames, channels: Channels = WHOLE
    ) -> None:
        """Decodes a frame from its chunks into these channels of `out_CS` [C, *S]."""
        height = chunk[1]
        pieces = out_CS.shape[1] // height
        for piece in range(pieces):
            out = out_CS if pieces == 1 else out_CS[:, piece * height : (piece + 1) * height]
            self._piece_into(frame * pieces + piece, chunk, dtype, out, channels)

    def _piece_into(
        self, slot: int, chunk: tuple[int, ...], dtype: DType, out_CS: Frames, channels: Channels
    ) -> None:
        """Decodes a chunk, directly into `out_CS` if its channels are one slice of the same dtype."""
        if self.codec == "raw":
            copy_channels(raw_values(self._chunk(slot), chunk, dtype), out_CS, channels)
            return
        target = out_CS[channels[0]]
        if len(channels) == 1 and target.dtype == dtype and target.flags.c_contiguous:
            self.chunk_into(slot, target)
        else:
            values = np.empty(chunk, dtype)
            self.chunk_into(slot, values)
            copy_channels(values, out_CS, channels)

    def _chunk(self, slot: int) -> memoryview:
        """The encoded bytes of a chunk without their checksum; compares the checksum at the first read."""
        offset, length = self.ranges[slot].tolist()
        if offset == MISSING:
            raise ShardError("the chunk is missing")
        chunk = self.data[offset : offset + length]
        if not self.checked_chunks:
            return chunk
        if self.proven is None:
            return checked_bytes(chunk)
        if not self.proven[slot]:
            checked_bytes(chunk)
            self.proven[slot] = 1
        return chunk[:-CHECKSUM_BYTES]


def copy_channels(values_C: Frames | Mask, out_C: Frames, channels: Channels) -> None:
    """Copies the channels of `values_C` in order into these slices of the channels of `out_C`."""
    start = 0
    for run in channels:
        target = out_C[run]
        np.copyto(target, values_C[start : start + len(target)])
        start += len(target)
