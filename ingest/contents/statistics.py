"""Computes minimum, mean and the like of an array from a few blocks of bounded size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ingest.formats.arrays import Array, SlabIndex
from ingest.formats.npz import NpzMember

# The numbers in a block; at most three blocks of an array are read.
BLOCK = 2**20
# The most chunks that a block touches: some files have a chunk for each cell.
CHUNKS = 1024
# The most bytes to decode for statistics: a chunk is decoded completely, an npz member from its start.
DECODED_BYTES = 256 * 2**20


@dataclass(frozen=True)
class ArrayStatistics:
    """Statistics of `read` numbers of an array; minimum to RMS are of finite numbers, None without any."""

    read: int
    not_finite: int
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    rms: float | None = None


def statistics(array: Array, chunks: tuple[int, ...] | None) -> ArrayStatistics:
    """The statistics of a whole small array, or of one or three blocks of a large one."""
    places = list(_blocks(array.shape, min(BLOCK, CHUNKS * math.prod(chunks) if chunks else BLOCK)))
    if isinstance(array, NpzMember) and math.prod(array.shape) * array.dtype.itemsize > DECODED_BYTES:
        places = places[:1]
    values = np.concatenate([array.slab(*index).astype(np.float64).reshape(-1) for index in places])
    finite = values[np.isfinite(values)]
    if not finite.size:
        return ArrayStatistics(values.size, values.size)
    with np.errstate(over="ignore"):
        rms = float(np.sqrt(np.mean(np.square(finite))))
    return ArrayStatistics(
        values.size,
        values.size - finite.size,
        float(finite.min()),
        float(finite.max()),
        float(finite.mean()),
        rms,
    )


def _blocks(shape: tuple[int, ...], most: int) -> Iterator[tuple[SlabIndex, ...]]:
    """The indices of the first, the middle and the last block of at most `most` numbers along the leading
    axes.
    """
    if not shape:
        yield ()
        return
    cut = next(axis for axis in range(len(shape)) if math.prod(shape[axis + 1 :]) <= most)
    length = min(shape[cut], most // math.prod(shape[cut + 1 :]))
    counts = (*shape[:cut], -(-shape[cut] // length))
    last = math.prod(counts) - 1
    for number in sorted({0, last // 2, last}):
        *leading, block = _place_of(number, counts)
        along = slice(block * length, min((block + 1) * length, shape[cut]))
        yield (*leading, along, *(slice(None) for _ in shape[cut + 1 :]))


def _place_of(number: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index of an element by its number; numpy fails for shapes that exist only in a header."""
    index: list[int] = []
    for length in reversed(shape):
        number, place = divmod(number, length)
        index.append(place)
    return tuple(reversed(index))
