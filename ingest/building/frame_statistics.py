"""What the frames of a trajectory add up to: moments, repeated frames, the largest error of rounding.

Axes: T time, C channel, S space.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from shards.moments import NONE, Moments, merge, of_frames
from shards.schema import Frames, Schema

# Which cells [*S] are inside an obstacle.
SolidCells = npt.NDArray[np.bool_]


class FrameStatistics:
    """Sums over the frames so far: `moments` and `errors` of each channel, `repeated` frames."""

    def __init__(self, channels: tuple[str, ...]) -> None:
        self.channels = channels
        self.moments: tuple[Moments, ...] = tuple(NONE for _ in channels)
        # The largest that rounding made, in physical units; empty where every bit is kept.
        self.errors: tuple[float, ...] = ()
        self.frames = 0
        self.repeated = 0

    def add(self, moments: tuple[Moments, ...], errors: tuple[float, ...] = ()) -> None:
        """Adds one frame: its moments, and the error that rounding made in each channel."""
        if self.frames and all(each.change_squares == 0 for each in moments):
            self.repeated += 1
        self.frames += 1
        self.moments = tuple(merge(a, b) for a, b in zip(self.moments, moments, strict=True))
        before = self.errors or errors
        self.errors = tuple(max(a, b) for a, b in zip(before, errors, strict=True))

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
