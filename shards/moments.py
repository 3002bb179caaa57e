"""Exact moments of a channel, one pass, mergeable in any grouping: count, mean, variance, range, one-step change.

Float64 throughout. Squares are summed about the mean of each frame and joined by Chan's formula (Chan, Golub and
LeVeque 1979), so that a mean 1e8 times the standard deviation costs no digits.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import reduce

import numpy as np
from pydantic.dataclasses import dataclass

from shards.spec import STRICT, Frames

# Cells of each channel at a time: they stay in the cache, and below 10000 BLAS starts no threads, which would fight
# those of other processes over the same cores.
BLOCK = 8192


@dataclass(frozen=True, config=STRICT)
class Moments:
    """Sums of one channel: `squares` about the mean, `change_squares` of the one-step change about zero."""

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
    """The moments of both together."""
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
    """Channel by channel, in the order given."""
    return tuple(reduce(merge, channel, NONE) for channel in zip(*groups, strict=True))


def of_frame(frame: Frames, before: Frames | None = None) -> tuple[Moments, ...]:
    """Moments of each channel of a frame [C, *S], with the change since the frame before; NaN cells do not count."""
    values = frame.reshape(len(frame), -1)
    earlier = None if before is None else before.reshape(values.shape)
    # Infinities and overflow show in the moments themselves: whoever checks them sees them there.
    with np.errstate(over="ignore", invalid="ignore"):
        moments = _of_channels(values, earlier)
        for channel in [number for number, m in enumerate(moments) if math.isnan(m.lowest + m.change_squares)]:
            moments[channel] = _of_numbers(values[channel], None if earlier is None else earlier[channel])
    return tuple(moments)


def _of_channels(values: Frames, before: Frames | None) -> list[Moments]:
    """Of values [C, N] without NaN: block after block while it is in the cache, the blocks joined by Chan's formula."""
    channels, cells = values.shape
    blocks = [slice(start, start + BLOCK) for start in range(0, cells, BLOCK)]
    lowest, highest = (np.empty((len(blocks), channels), values.dtype) for _ in range(2))
    means, squares, change_squares = (np.zeros((len(blocks), channels)) for _ in range(3))
    buffer, changed = (np.empty((channels, min(BLOCK, cells))) for _ in range(2))
    for number, block in enumerate(blocks):
        held = values[:, block]
        np.minimum.reduce(held, axis=1, out=lowest[number])
        np.maximum.reduce(held, axis=1, out=highest[number])
        exact, change = buffer[:, : held.shape[1]], changed[:, : held.shape[1]]
        exact[...] = held
        np.add.reduce(exact, axis=1, out=means[number])
        means[number] /= held.shape[1]
        if before is not None:
            change[...] = before[:, block]
            np.subtract(exact, change, out=change)
            np.vecdot(change, change, out=change_squares[number])
        exact -= means[number, :, None]
        np.vecdot(exact, exact, out=squares[number])
    counts = np.array([min(block.stop, cells) - block.start for block in blocks], np.float64)
    mean = counts @ means / cells
    squares_about_mean = squares.sum(axis=0) + counts @ np.square(means - mean)
    columns = (mean, squares_about_mean, lowest.min(axis=0), highest.max(axis=0), change_squares.sum(axis=0))
    return [
        Moments(cells, mean, squares, low, high, 0 if before is None else cells, change)
        for mean, squares, low, high, change in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _of_numbers(values: Frames, before: Frames | None) -> Moments:
    """Of values [N], those left out that are not a number."""
    numbers = values[~np.isnan(values)].astype(np.float64)
    moments = _of_channels(numbers[None], None)[0] if numbers.size else NONE
    if before is None:
        return moments
    change = np.subtract(values, before, dtype=np.float64)
    change = change[~np.isnan(change)]
    return replace(moments, change_count=change.size, change_squares=float(np.square(change).sum()))
