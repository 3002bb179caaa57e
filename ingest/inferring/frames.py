"""Single frames of a field that was placed, for what numbers show: ends that meet, fields that rest, steps.

Axes: C channel, S space.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest.contents.combined_files import open_combined
from ingest.contents.numbered_arrays import HOLE
from ingest.contents.statistics import DECODED_BYTES
from ingest.formats.arrays import Array, ArrayFile, SlabIndex
from ingest.formats.natural_sort import steps_in
from ingest.formats.npz import NpzMember
from ingest.inferring.inferred_layout import InferredLayout, PlacedArray
from ingest.layout import CHANNEL, SINGLE_CELL, TIME
from shards.errors import SourceError
from shards.schema import Frames

# Linear extrapolation is far better than persistence if its error is smaller by this factor.
LINE_WINS = 10.0
# The fewest frames that a thinned run keeps.
FEWEST_FRAMES = 8


@dataclass(frozen=True)
class Thinning:
    """How much better linear extrapolation predicts the next frame than persistence, and the stride at
    which it no longer does.
    """

    gain: float
    stride: int


@dataclass(frozen=True)
class MissingCells:
    """How many cells of the first frame are not a number, and whether they are others later.

    A run is padded if its first frame is whole and its last one has no number.
    """

    cells: int
    moves: bool
    is_padded: bool = False


@dataclass(frozen=True)
class FrameReader:
    """Frames of a trajectory, by default the first; `states` are its files, in order, where these hold one
    frame: one for each moment, or one for each of the `variables`.
    """

    arrays: ArrayFile
    layout: InferredLayout
    states: tuple[tuple[Path, ...], ...] = ()
    variables: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """The number of frames."""
        return len(self.states) or self.layout.lengths[TIME]

    def frame(self, field: PlacedArray, number: int, row: int = 0) -> Frames | None:
        """The frame [C, *S] of one trajectory in float64; None if it is too large to read here, or cannot be
        read.
        """
        words = field.words[1:] if field.array.pattern else field.words
        try:
            with self._array(field, number) as array:
                decoded = array.shape if isinstance(array, NpzMember) else field.array.storage.chunks or ()
                cells = field.channels * math.prod(self.layout.lengths[axis] for axis in self.layout.axes)
                if 0 in array.shape or max(math.prod(decoded), cells) * array.dtype.itemsize > DECODED_BYTES:
                    return None
                at: dict[str, SlabIndex] = dict.fromkeys(self.layout.runs, row)
                at |= {TIME: 0 if self.states else number, SINGLE_CELL: 0}
                index = [at.get(word, slice(None)) for word in words]
                values = array.slab(*index).astype(np.float64)
        except SourceError:
            # The list of arrays says what is wrong with this one.
            return None
        kept = [word for word in words if word not in (TIME, SINGLE_CELL, *self.layout.runs)]
        components = [place for place, word in enumerate(kept) if word == CHANNEL]
        order = [*components, *(kept.index(axis) for axis in self.layout.axes)]
        space = tuple(self.layout.lengths[axis] for axis in self.layout.axes)
        if math.prod(values.shape) != field.channels * math.prod(space):
            return None
        frames: Frames = values.transpose(order).reshape((-1, *space))
        return frames

    @contextmanager
    def _array(self, field: PlacedArray, number: int) -> Iterator[Array]:
        """The array that holds a frame, in the file or in the file of the frame."""
        if self.states and number:
            with open_combined(self.states[number], self.variables) as arrays:
                yield _array_of(arrays, field, 0)
        else:
            yield _array_of(self.arrays, field, number)

    def rests(self, field: PlacedArray) -> bool:
        """Whether first, middle and last frame are equal, as in a constant field that is stored with time."""
        last = self.count - 1
        if last < 1:
            return False
        first, *others = (self.frame(field, number) for number in sorted({0, last // 2, last}))
        if first is None:
            return False
        return all(other is not None and np.array_equal(first, other, equal_nan=True) for other in others)

    def missing(self, field: PlacedArray) -> MissingCells:
        """The cells with NaN in the first, the middle and the last frame."""
        numbers = sorted({0, 1, self.count // 2, self.count - 1} & set(range(self.count)))
        frames = [frame for number in numbers if (frame := self.frame(field, number)) is not None]
        absent = [np.isnan(frame).any(axis=0) for frame in frames]
        if not absent:
            return MissingCells(0, moves=False)
        moves = any(not np.array_equal(each, absent[0]) for each in absent)
        is_padded = bool(absent[-1].all()) and not absent[0].any()
        return MissingCells(int(absent[0].sum()), moves, is_padded)

    def is_uniform(self, mask: PlacedArray) -> bool:
        """Whether the first frame of a mask has one value in all cells, so that no cell is solid."""
        cells = self.frame(mask, 0)
        return cells is not None and bool((cells == cells.flat[0]).all())

    def solid_where(self, mask: PlacedArray, fields: Sequence[PlacedArray]) -> str:
        """Which cells of a mask are solid: those in which fields are one value, or none; `nonzero` where that
        does not show it.
        """
        cells = self.frame(mask, 0)
        last = [frame for each in fields if (frame := self.frame(each, self.count - 1)) is not None]
        if cells is None or not last or cells.shape[0] != 1:
            return "nonzero"
        is_zero = cells[0] == 0
        if all(_is_still(frame[0][is_zero]) and not _is_still(frame[0][~is_zero]) for frame in last):
            return "zero"
        return "nonzero"

    def thinning(self) -> Thinning | None:
        """The stride from which on a line through the last two frames is no longer far better than the last;
        None where it is not with all frames. docs/decisions/0063
        """
        if not self.layout.variable:
            return None
        field, stride, gains = self.layout.variable[0], 1, []
        while self.count >= 2 * stride * FEWEST_FRAMES:
            gains.append(self._gain_of_line(field, stride))
            if gains[-1] < LINE_WINS:
                break
            stride *= 2
        return Thinning(gains[0], stride) if stride > 1 else None

    def _gain_of_line(self, field: PlacedArray, stride: int) -> float:
        """RMS error of the last frame over that of a line through the last two, in the middle of the run."""
        middle = self.count // 2
        before, at, after = (self.frame(field, middle + step * stride) for step in (-1, 0, 1))
        if before is None or at is None or after is None:
            return 0.0
        of_last = float(np.square(after - at).mean())
        of_line = float(np.square(after - 2 * at + before).mean())
        if not 0 < of_line < math.inf:
            return 0.0
        return math.sqrt(of_last / of_line)


def _is_still(values: npt.NDArray[np.float64]) -> bool:
    """Whether some values are all equal, or all absent."""
    present = values[np.isfinite(values)]
    return bool(values.size) and (not present.size or bool((present == present[0]).all()))


def _array_of(arrays: ArrayFile, field: PlacedArray, number: int) -> Array:
    """The array of a field; for a series, the array of frame `number`."""
    pattern = field.array.pattern
    if HOLE not in pattern:
        return arrays.array(field.array.path)
    names = tuple(steps_in(arrays.names(), pattern))
    return arrays.array(names[number] if number < len(names) else pattern)
