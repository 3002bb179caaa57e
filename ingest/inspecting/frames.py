"""Single frames of a field that was placed, for what numbers tell: ends that meet, fields that rest, steps.

Axes: C channel, S space.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ingest.formats.arrays import ArrayFile, SlabIndex
from ingest.formats.npz import NpzMember
from ingest.inspecting.infer_layout import InferredLayout, PlacedArray
from ingest.inspecting.statistics import DECODED_BYTES
from ingest.layout import CHANNEL, TIME, TRAJECTORY
from shards.errors import SourceError
from shards.schema import Frames

# A prediction along a line is far better than the last frame: the error is this share of the other.
LINE_WINS = 0.1


@dataclass(frozen=True)
class FrameReader:
    """Frames of the first trajectory."""

    arrays: ArrayFile
    layout: InferredLayout

    def frame(self, field: PlacedArray, number: int) -> Frames | None:
        """[C, *S] of a frame in float64; None where it takes too much reading, or cannot be read.

        Of states that are arrays or files of their own it is always the first.
        """
        words = field.words[1:] if field.array.pattern else field.words
        try:
            array = self.arrays.array(field.array.path)
            decoded = array.shape if isinstance(array, NpzMember) else field.array.storage.chunks or ()
            cells = field.channels * math.prod(self.layout.lengths[axis] for axis in self.layout.axes)
            if max(math.prod(decoded), cells) * array.dtype.itemsize > DECODED_BYTES:
                return None
            at: dict[str, SlabIndex] = {TRAJECTORY: 0, TIME: number}
            index = [at.get(word, slice(None)) for word in words]
            values = array.slab(*index).astype(np.float64)
        except SourceError:
            # The list of arrays says what is wrong with this one.
            return None
        kept = [word for word in words if word not in (TRAJECTORY, TIME)]
        components = [place for place, word in enumerate(kept) if word == CHANNEL]
        order = [*components, *(kept.index(axis) for axis in self.layout.axes)]
        space = tuple(self.layout.lengths[axis] for axis in self.layout.axes)
        frames: Frames = values.transpose(order).reshape((-1, *space))
        return frames

    def rests(self, field: PlacedArray) -> bool:
        """Whether first, middle and last frame are equal: a constant field that is stored with time."""
        last = self.layout.lengths[TIME] - 1
        if field.array.pattern or last < 1:
            return False
        first, *others = (self.frame(field, number) for number in sorted({0, last // 2, last}))
        if first is None:
            return False
        return all(other is not None and np.array_equal(first, other, equal_nan=True) for other in others)

    def missing(self, field: PlacedArray) -> int:
        """Cells of the first frame that are not a number."""
        first = self.frame(field, 0)
        return 0 if first is None else int(np.isnan(first).any(axis=0).sum())

    def line_wins(self) -> bool:
        """Whether the last two frames, continued along a line, foretell the next far better than the last
        alone.
        """
        middle = self.layout.lengths[TIME] // 2
        moving = [each for each in self.layout.variable if not each.array.pattern]
        if not moving or self.layout.lengths[TIME] < 4:
            return False
        before, at, after = (self.frame(moving[0], middle + step) for step in (-1, 0, 1))
        if before is None or at is None or after is None:
            return False
        of_last = float(np.square(after - at).mean())
        of_line = float(np.square(after - 2 * at + before).mean())
        return 0 < of_last < math.inf and of_line < LINE_WINS**2 * of_last
