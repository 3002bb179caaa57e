"""Counts the chunks that a zarr store holds, and checks that they are complete; absent ones read as fill
value.

It counts existing files, because a hostile header may promise more chunks than anyone could count.
"""

from __future__ import annotations

import math
import os
import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, product, takewhile
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from zarr.codecs import BytesCodec, Crc32cCodec

from shards.codec import BLOSC_HEADER_BYTES, blosc_sizes
from shards.shard import MISSING, end_within

# An entry in the index of a shard: offset and length of a chunk, both 2^64-1 if it is absent.
ENTRY_BYTES = 2 * 8
CHECKSUM_BYTES = 4
# At most this many files of an array are looked for by name.
MANY_FILES = 100_000
# The names of blosc in zarr and numcodecs. Blosc reads beyond the end of a truncated chunk.
BLOSC = ("Blosc", "BloscCodec")


@dataclass(frozen=True)
class StoreContents:
    """The sorted names of all files of a store, and a function that opens one."""

    keys: list[str]
    open: Callable[[str], IO[bytes]]

    def holds(self, key: str) -> bool:
        place = bisect_left(self.keys, key)
        return place < len(self.keys) and self.keys[place] == key


def _inside(array: Any) -> str:
    """The first part of the names of an array's files; empty for the array at the root of a store."""
    return f"{array.path}/" if array.path else ""


def chunk_grid(array: Any) -> tuple[int, ...]:
    """The number of chunks along each axis."""
    return tuple(-(-length // step) for length, step in zip(array.shape, array.chunks, strict=True))


def chunks_held(array: Any, contents: StoreContents) -> Iterator[int]:
    """Yields the number of chunks in each chunk file (or shard) that is in the store."""
    prefix = _inside(array)
    own = takewhile(
        lambda key: key.startswith(prefix), islice(contents.keys, bisect_left(contents.keys, prefix), None)
    )
    for key in own:
        span = _span(array, key.removeprefix(prefix))
        if span is not None:
            yield _held_in_shard(array, span, contents, key) if array.shards else 1


def absent_files(array: Any, contents: StoreContents, most: int) -> list[str]:
    """The names, below the array, of the first `most` chunk files (or shards) that are not in the store.

    At most MANY_FILES are looked for, because a header may promise more files than anyone could count.
    """
    steps = array.shards or array.chunks
    counts = [-(-length // step) for length, step in zip(array.shape, steps, strict=True)]
    names = map(array.metadata.encode_chunk_key, _first_places(counts))
    return list(islice((name for name in names if not contents.holds(_inside(array) + name)), most))


def _first_places(counts: list[int]) -> Iterator[tuple[int, ...]]:
    """The first MANY_FILES positions of chunks, last axis fastest; `product` would need too much memory."""
    for number in range(min(math.prod(counts), MANY_FILES)):
        place = []
        for count in reversed(counts):
            number, at = divmod(number, count)
            place.append(at)
        yield tuple(reversed(place))


def require_whole(array: Any, contents: StoreContents, index: tuple[int | slice, ...]) -> None:
    """Raises ValueError if a file with chunks of this slab is truncated: decoders do not always notice it."""
    blosc = bool(array.compressors) and type(array.compressors[-1]).__name__ in BLOSC
    if not (array.shards or blosc):
        return
    steps = array.shards or array.chunks
    is_whole = _shard_is_whole if array.shards else _blosc_is_whole
    for place in product(*map(_touched, index, array.shape, steps)):
        key = _inside(array) + array.metadata.encode_chunk_key(place)
        if contents.holds(key) and not is_whole(array, contents, key):
            raise ValueError(f"{key} is cut short")


def _touched(index: int | slice, length: int, step: int) -> range:
    """The chunks along one axis that an index touches."""
    places = range(length)[index]
    if isinstance(places, int):
        return range(places // step, places // step + 1)
    return range(places[0] // step, places[-1] // step + 1) if places else range(0)


def _span(array: Any, key: str) -> tuple[int, ...] | None:
    """The number of chunks along each axis that belong into this file; None if it is not a file of the
    array.
    """
    place = tuple(map(int, re.findall(r"[0-9]{1,18}", key))) if array.shape else ()
    slots, grid = _slots(array), chunk_grid(array)
    if len(place) != len(grid) or array.metadata.encode_chunk_key(place) != key:
        return None
    # A shard at the end of an axis has room for more chunks than the array.
    span = tuple(min(room, count - at * room) for at, room, count in zip(place, slots, grid, strict=True))
    return span if all(count > 0 for count in span) else None


def _slots(array: Any) -> tuple[int, ...]:
    """The number of chunks along each axis for which a file has room."""
    return tuple(
        stored // step for stored, step in zip(array.shards or array.chunks, array.chunks, strict=True)
    )


def _held_in_shard(array: Any, span: tuple[int, ...], contents: StoreContents, key: str) -> int:
    """The number of chunks in a shard; a shard with a truncated index counts as full, and fails when read."""
    entries, _ = _shard_index(array, contents, key)
    if entries is None:
        return math.prod(span)
    inside = entries[tuple(map(slice, span))]
    return int(np.count_nonzero(inside[..., 0] != MISSING))


def _shard_is_whole(array: Any, contents: StoreContents, key: str) -> bool:
    entries, length = _shard_index(array, contents, key)
    if entries is None:
        return False
    # A chunk of length 0 is the fill value in zarr 3.1, and an error in zarr 3.4.
    without_bytes = (entries[..., 0] != MISSING) & (entries[..., 1] == 0)
    return not without_bytes.any() and end_within(entries.reshape(-1, 2), length)


def _shard_index(array: Any, contents: StoreContents, key: str) -> tuple[npt.NDArray[np.uint64] | None, int]:
    """The entries [*slots, 2], None if the file is too short for them; and the length of the file."""
    codec, slots = array.metadata.codecs[0], _slots(array)
    size = ENTRY_BYTES * math.prod(slots)
    checksums = CHECKSUM_BYTES * sum(isinstance(each, Crc32cCodec) for each in codec.index_codecs)
    with contents.open(key) as file:
        length = file.seek(0, os.SEEK_END)
        if length < size + checksums:
            return None, length
        file.seek(0 if _word(codec.index_location) == "start" else length - size - checksums)
        index = file.read(size)
    orders = [
        _word(each.endian) for each in codec.index_codecs if isinstance(each, BytesCodec) and each.endian
    ]
    return np.frombuffer(index, ">u8" if "big" in orders else "<u8").reshape(*slots, 2), length


def _word(setting: object) -> str:
    """A setting of a codec, which is an enumeration up to zarr 3.3 and a text in 3.4."""
    return str(getattr(setting, "value", setting))


def _blosc_is_whole(array: Any, contents: StoreContents, key: str) -> bool:
    with contents.open(key) as file:
        header = file.read(BLOSC_HEADER_BYTES)
        length = file.seek(0, os.SEEK_END)
    return len(header) == BLOSC_HEADER_BYTES and blosc_sizes(header)[1] <= length
