"""Sums over the frames of a trajectory: moments, repeated frames, the largest rounding error.

Axes: T time, C channel, S space.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shards.moments import NONE, Moments, merge, of_frames
from shards.schema import Frames, Schema

# Which cells [*S] are inside an obstacle.
SolidCells = npt.NDArray[np.bool_]
# A value larger than this many times the RMS of all other cells of its frame is reported.
FAR = 1e4
# A change smaller than this share of the values may be rounding of float32.
ROUNDING = 16 * float(np.finfo(np.float32).eps)
# One repeated frame is no fault: solvers may write their last frame twice.
LEAST_REPEATS = 2


@dataclass(frozen=True)
class Outlier:
    """A value that is far from all others of its frame."""

    frame: int
    value: float


class FrameStatistics:
    """Sums over the frames so far: `moments` and `errors` of each channel, `repeated` frames."""

    def __init__(self, channels: tuple[str, ...]) -> None:
        self.channels = channels
        self.moments: tuple[Moments, ...] = tuple(NONE for _ in channels)
        # The largest error of rounding, in physical units; empty if every bit is kept.
        self.errors: tuple[float, ...] = ()
        self.frames = 0
        self.repeated = 0
        # The largest outlier of each channel.
        self.outliers: dict[str, Outlier] = {}
        # The last frame that differs from the one before, and whether it differs only by rounding.
        self._last_change = 0
        self._settled = False
        self._uniform: list[bool] = []

    def add(self, moments: tuple[Moments, ...], errors: tuple[float, ...] = ()) -> None:
        """Adds one frame: its moments, and the rounding error of each channel."""
        if self.frames and all(each.change_squares == 0 for each in moments):
            self.repeated += 1
        elif self.frames:
            self._last_change = self.frames
            self._settled = all(each.change_rms <= ROUNDING * each.rms for each in moments)
        self._uniform.append(all(each.lowest == each.highest for each in moments))
        self._note_outliers(moments)
        self.frames += 1
        self.moments = tuple(merge(a, b) for a, b in zip(self.moments, moments, strict=True))
        before = self.errors or errors
        self.errors = tuple(max(a, b) for a, b in zip(before, errors, strict=True))

    def _note_outliers(self, moments: tuple[Moments, ...]) -> None:
        for channel, found in zip(self.channels, moments, strict=True):
            largest = max(abs(found.lowest), abs(found.highest))
            # The mean square of all other cells, as far as float64 can separate it from the largest cell.
            others = max(0.0, found.rms**2 * found.count - largest**2) / max(1, found.count - 1)
            known = self.outliers.get(channel)
            is_far = others > 0 or largest > FAR
            if is_far and largest > FAR * math.sqrt(others) and (known is None or largest > known.value):
                self.outliers[channel] = Outlier(self.frames, largest)

    def stopped_at(self) -> int | None:
        """The frame after which no channel changes any more; None if the last frame still changes.

        A run stopped if all channels are uniform from some frame on, like values that were never written, or
        if at least two frames repeat the one before. A state that has settled (its last change is no larger
        than rounding) did not stop.
        """
        repeats = self.frames - 1 - self._last_change
        if self._last_change == 0 or self._settled:
            return None
        if self._uniform[-1] and not all(self._uniform):
            return self._last_change
        if repeats >= LEAST_REPEATS:
            return self._last_change + 1
        return None

    def still_fields(self, schema: Schema) -> tuple[str, ...]:
        """Names of the variable fields that never change."""
        moved = {
            name for name, each in zip(self.channels, self.moments, strict=True) if each.change_squares > 0
        }
        return tuple(
            field.name
            for field in schema.variable_fields
            if moved.isdisjoint(field.components(schema.grid.axes))
        )


def without_solid(slab: Frames, solid: SolidCells | None) -> Frames:
    """The slab [T, C, *S] with NaN in solid cells [*S], so that moments do not count them."""
    return slab if solid is None else np.where(solid, np.asarray(np.nan, slab.dtype), slab)


@dataclass(frozen=True, eq=False)
class _SlabInWork:
    """A slab [T, C, *S], and the moments of its frames, which a thread computes."""

    frames: Frames
    moments: Future[list[tuple[Moments, ...]]]

    def with_moments(self) -> Iterator[tuple[Frames, tuple[Moments, ...]]]:
        """Each frame with its moments; waits for the thread."""
        return zip(self.frames, self.moments.result(), strict=True)


def with_moments(
    slabs: Iterable[Frames], solid: SolidCells | None = None
) -> Iterator[tuple[Frames, tuple[Moments, ...]]]:
    """Yields each frame [C, *S] of slabs [T, C, *S] with the moments of its cells that are not solid.

    A thread computes the moments of a slab while the frames of the slab before are encoded and written.
    """
    with ThreadPoolExecutor(1) as thread:
        before: _SlabInWork | None = None
        for slab in slabs:
            last = None if before is None else before.frames[-1]
            moments = thread.submit(of_frames, without_solid(slab, solid), last)
            if before is not None:
                yield from before.with_moments()
            before = _SlabInWork(slab, moments)
        if before is not None:
            yield from before.with_moments()
