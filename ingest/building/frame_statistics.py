"""What the frames of a trajectory add up to: moments, repeated frames, the largest error of rounding.

Axes: T time, C channel, S space.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shards.moments import NONE, Moments, merge, of_frames
from shards.schema import Frames, Schema

# Which cells [*S] are inside an obstacle.
SolidCells = npt.NDArray[np.bool_]
# A value so many times the RMS of all other cells of its frame is worth a note.
FAR = 1e4
# A change below this share of the values is rounding of float32.
ROUNDING = 16 * float(np.finfo(np.float32).eps)
# Solvers may write their last frame twice.
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
        # The largest that rounding made, in physical units; empty where every bit is kept.
        self.errors: tuple[float, ...] = ()
        self.frames = 0
        self.repeated = 0
        # Channel to frame and size of a value that is far from all others of its frame; the largest of each.
        self.outliers: dict[str, Outlier] = {}
        # The last frame that differs from the one before, and how much of each channel changed there.
        self._last_change = 0
        self._settled = False
        self._uniform: list[bool] = []

    def add(self, moments: tuple[Moments, ...], errors: tuple[float, ...] = ()) -> None:
        """Adds one frame: its moments, and the error that rounding made in each channel."""
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
        """The frame from which on nothing more was written, None for a trajectory that goes on to its end.

        From there on all channels are the same everywhere, as unwritten values are, or at least two frames
        repeat the one before. A state that settled, its last change no larger than rounding, did not stop.
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
        """Names of the variable fields of which no component ever changed."""
        moved = {
            name for name, each in zip(self.channels, self.moments, strict=True) if each.change_squares > 0
        }
        return tuple(
            field.name
            for field in schema.variable_fields
            if moved.isdisjoint(field.components(schema.grid.axes))
        )


def without_solid(slab: Frames, solid: SolidCells | None) -> Frames:
    """The slab [T, C, *S] with not-a-number, which does not count, in solid cells [*S]."""
    return slab if solid is None else np.where(solid, np.asarray(np.nan, slab.dtype), slab)


def with_moments(
    slabs: Iterable[Frames], solid: SolidCells | None = None
) -> Iterator[tuple[Frames, tuple[Moments, ...]]]:
    """Each frame [C, *S] of slabs [T, C, *S] with the moments of its cells that are not solid.

    The moments of a slab are found in a thread, while the frames of the slab before are encoded and written.
    """
    with ThreadPoolExecutor(1) as thread:
        waiting = None
        for slab in slabs:
            found = thread.submit(of_frames, without_solid(slab, solid), waiting[0][-1] if waiting else None)
            if waiting:
                yield from zip(waiting[0], waiting[1].result(), strict=True)
            waiting = slab, found
        if waiting:
            yield from zip(waiting[0], waiting[1].result(), strict=True)
