"""Exact moments of a channel, one pass, mergeable in any grouping: count, mean, variance, range, one-step change.

Float64 throughout. Squares are summed about the mean of each frame and joined by Chan's formula (Chan, Golub and
LeVeque 1979), so that a mean 1e8 times the standard deviation costs no digits.
"""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import numpy.typing as npt
from pydantic.dataclasses import dataclass

from shards.spec import STRICT, Frames

Float64 = npt.NDArray[np.float64]


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
    values = frame.reshape(len(frame), -1).astype(np.float64)
    # Infinities and overflow show in the moments themselves: whoever checks them sees them there.
    with np.errstate(over="ignore", invalid="ignore"):
        change = None if before is None else values - before.reshape(values.shape)
        return tuple(_of_values(values[c], None if change is None else change[c]) for c in range(len(values)))


def _of_values(values: Float64, change: Float64 | None) -> Moments:
    lowest, highest = float(values.min()), float(values.max())
    if math.isnan(lowest):
        values = values[~np.isnan(values)]
        lowest, highest = (float(values.min()), float(values.max())) if values.size else (math.inf, -math.inf)
    mean = float(values.mean()) if values.size else 0.0
    centred = values - mean
    squares = float(np.dot(centred, centred))
    if change is None:
        return Moments(values.size, mean, squares, lowest, highest)
    change_squares = float(np.dot(change, change))
    if math.isnan(change_squares):
        change = change[~np.isnan(change)]
        change_squares = float(np.dot(change, change))
    return Moments(values.size, mean, squares, lowest, highest, change.size, change_squares)
