"""Computes exact moments of a channel in one pass, mergeable: count, mean, variance, range, one-step change.

All sums are float64. Squares are summed about the first value of each block of cells, and blocks are merged
by Chan's formula (Chan, Golub and LeVeque 1979). A mean of 1e8 times the standard deviation loses no digits;
if the first value of a block is such an outlier, about four are lost
(docs/decisions/0010-the-cost-of-moments.md). Axes: T time, C channel, S space, N all cells of a frame in a
row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np

from shards.schema import Frames, checked

# Cells per block: they stay in the processor cache, and below 10000 values BLAS starts no threads, which
# would compete with other processes for the same cores.
BLOCK = 8192


@checked
class Moments:
    """Sums of one channel: `squares` about the mean, `change_squares` of the one-step change about 0."""

    count: int
    mean: float
    squares: float
    lowest: float
    highest: float
    change_count: int = 0
    change_squares: float = 0.0

    @property
    def std(self) -> float:
        return math.sqrt(self.squares / self.count) if self.count else 0.0

    @property
    def rms(self) -> float:
        return math.sqrt(self.squares / self.count + self.mean * self.mean) if self.count else 0.0

    @property
    def change_rms(self) -> float:
        return math.sqrt(self.change_squares / self.change_count) if self.change_count else 0.0


NONE = Moments(0, 0.0, 0.0, math.inf, -math.inf)


def merge(a: Moments, b: Moments) -> Moments:
    """The moments of the values of both.

    >>> both = merge(Moments(2, 1.0, 2.0, 0.0, 2.0), Moments(1, 4.0, 0.0, 4.0, 4.0))
    >>> both.count, both.mean, both.squares, both.highest
    (3, 2.0, 8.0, 4.0)
    """
    if not a.count or not b.count:
        return a if a.count else b
    count = a.count + b.count
    shift = b.mean - a.mean
    return Moments(
        count,
        a.mean + shift * (b.count / count),
        a.squares + b.squares + shift * shift * (a.count * b.count / count),
        min(a.lowest, b.lowest),
        max(a.highest, b.highest),
        a.change_count + b.change_count,
        a.change_squares + b.change_squares,
    )


def merge_all(groups: list[tuple[Moments, ...]]) -> tuple[Moments, ...]:
    """Merges the moments of each channel, in the order of the groups."""
    return tuple(reduce(merge, channel, NONE) for channel in zip(*groups, strict=True))


def of_frames(frames: Frames, before: Frames | None = None) -> list[tuple[Moments, ...]]:
    """The moments of each channel of each frame [T, C, *S], and of the change since the frame before.

    NaN cells do not count. `before` [C, *S] is the frame before the first. The result of a frame depends only
    on this frame and the one before.

    >>> (first,), (second,) = of_frames(np.array([[[1.0, 3.0]], [[2.0, 4.0]]]))
    >>> first.mean, first.std, first.change_count, second.change_rms
    (2.0, 1.0, 0, 1.0)
    """
    values = frames.reshape(*frames.shape[:2], -1)
    earlier = None if before is None else before.reshape(values.shape[1:])
    # Infinities and overflow stay visible in the moments, where callers check them.
    with np.errstate(over="ignore", invalid="ignore"):
        found = _of_channels(values, earlier)
        for frame, moments in enumerate(found):
            last = values[frame - 1] if frame else earlier
            for channel, each in enumerate(moments):
                if math.isnan(each.lowest + each.change_squares):
                    own = None if last is None else last[channel]
                    moments[channel] = _of_numbers(values[frame, channel], own)
    return [tuple(moments) for moments in found]


def _of_channels(values: Frames, before: Frames | None) -> list[list[Moments]]:
    """The moments of values [T, C, N] without NaN: those of blocks of cells, merged by Chan's formula."""
    cells = values.shape[2]
    blocks = [slice(start, min(start + BLOCK, cells)) for start in range(0, cells, BLOCK)]
    of_blocks = _sums_of_blocks(values, before, blocks)
    counts = np.array([block.stop - block.start for block in blocks], np.float64).reshape(-1, 1, 1)
    shifts = of_blocks.sums / counts
    squares = np.maximum(of_blocks.squares - of_blocks.sums * shifts, 0)
    squares[np.isnan(squares)] = math.inf
    means = np.moveaxis(values[:, :, ::BLOCK], 2, 0) + shifts
    whole_means = _total(counts * means) / cells
    whole_squares = _total(squares) + _total(counts * np.square(means - whole_means))
    lowest, highest = of_blocks.lowest.min(axis=0), of_blocks.highest.max(axis=0)
    columns = (whole_means, whole_squares, lowest, highest, _total(of_blocks.changes))
    found = []
    for frame, channels in enumerate(np.stack(columns, axis=-1).tolist()):
        change_count = cells if frame or before is not None else 0
        of_channels = []
        for mean, squares_of_all, low, high, change in channels:
            of_channels.append(Moments(cells, mean, squares_of_all, low, high, change_count, change))
        found.append(of_channels)
    return found


def _total(of_blocks: Frames) -> Frames:
    """The sum over blocks [T, C], one block after another: numpy would use another order."""
    return reduce(np.add, of_blocks)


@dataclass(frozen=True, eq=False)
class _BlockSums:
    """Sums over the cells of each block, each [blocks, T, C]; `changes` are the squares of the changes.

    The first value of a block is subtracted before `sums` and `squares`, so that no digits are lost to a
    large mean.
    """

    lowest: Frames
    highest: Frames
    sums: Frames
    squares: Frames
    changes: Frames


def _sums_of_blocks(values: Frames, before: Frames | None, blocks: list[slice]) -> _BlockSums:
    """The sums over these blocks of cells of values [T, C, N]."""
    frames, channels, _ = values.shape
    lowest, highest = (np.empty((len(blocks), frames, channels), values.dtype) for _ in range(2))
    sums, squares, changes = (np.zeros((len(blocks), frames, channels)) for _ in range(3))
    room, ones = np.empty((3, channels, blocks[0].stop)), np.ones(blocks[0].stop)

    for number, block in enumerate(blocks):
        width = block.stop - block.start
        exact, earlier, rest = room[:, :, :width]
        if before is not None:
            earlier[...] = before[:, block]
        for frame, held in enumerate(values[:, :, block]):
            np.minimum.reduce(held, axis=1, out=lowest[number, frame])
            np.maximum.reduce(held, axis=1, out=highest[number, frame])
            exact[...] = held
            if frame or before is not None:
                np.subtract(exact, earlier, out=rest)
                np.vecdot(rest, rest, out=changes[number, frame])
            np.subtract(exact, held[:, :1], out=rest)
            np.vecdot(rest, ones[:width], out=sums[number, frame])
            np.vecdot(rest, rest, out=squares[number, frame])
            exact, earlier = earlier, exact

    return _BlockSums(lowest, highest, sums, squares, changes)


def _of_numbers(values: Frames, before: Frames | None) -> Moments:
    """The moments of the values [N] that are not NaN."""
    numbers = values[~np.isnan(values)].astype(np.float64)
    moments = _of_channels(numbers[None, None], None)[0][0] if numbers.size else NONE
    if before is None:
        return moments
    change = np.subtract(values, before, dtype=np.float64)
    change = change[~np.isnan(change)]
    return replace(moments, change_count=change.size, change_squares=float(np.square(change).sum()))
