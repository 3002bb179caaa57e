"""Whether values meet at the ends of an axis: what a file without a word on its boundaries still shows.

Axes: C channel, S space.
"""

from __future__ import annotations

import math

import numpy as np

from ingest.fields.laid_out import LaidOut
from ingest.formats.arrays import Arrays
from ingest.formats.npz import NpzMember
from ingest.inspecting.infer_layout import InferredLayout, PlacedArray
from ingest.inspecting.statistics import DECODED_BYTES
from ingest.layout import TIME
from shards.errors import SourceError
from shards.schema import Frames

# So many neighbours' steps apart, and the ends are no neighbours; so many, and they may be.
APART, NEAR = 4.0, 1.5


def seams(arrays: Arrays, guess: InferredLayout) -> tuple[float | None, ...]:
    """For each axis: the mean jump from its last cell to its first, in the steps from these to their neighbours.

    Of the middle frame of the first trajectory, and of the channel that jumps most; None where nothing varies
    along the axis, or a frame takes too much reading.
    """
    jumps = [jump for field in guess.fields if not field.constant for jump in _jumps(arrays, field, guess)]
    found = zip(*jumps, strict=True) if jumps else ((),) * len(guess.axes)
    return tuple(max((each for each in of_axis if each is not None), default=None) for of_axis in found)


def seam_words(jump: float | None) -> str:
    """What a jump says to a person; nothing where it says nothing."""
    if jump is None or NEAR < jump < APART:
        return ""
    if jump >= APART:
        return f"hardly periodic: from end to end values jump {jump:.0f} times as far as beside them"
    return "perhaps periodic, or alike at both ends: values step no further from end to end than beside them"


def _jumps(arrays: Arrays, field: PlacedArray, guess: InferredLayout) -> list[list[float | None]]:
    """Of each channel, for each axis."""
    try:
        array = arrays.array(field.array.path)
        stored = LaidOut((array,), field.words, guess.axes, None)
        decoded = array.shape if isinstance(array, NpzMember) else field.array.storage.chunks or ()
        cells = stored.components * math.prod(guess.lengths[axis] for axis in guess.axes)
        if max(math.prod(decoded), cells) * array.dtype.itemsize > DECODED_BYTES:
            return []
        middle = guess.lengths[TIME] // 2
        frame: Frames = stored.frames(0, middle, middle + 1)[0].astype(np.float64)
    except SourceError:
        # The list of arrays says what is wrong with this one.
        return []
    return [[_jump(values, axis) for axis in range(values.ndim)] for values in frame]


def _jump(values: Frames, axis: int) -> float | None:
    """Of one channel [*S]."""
    along = np.moveaxis(values, axis, 0)
    if len(along) < 3:
        return None
    # Beside the ends and not everywhere: what lies near them may be steeper than the rest.
    step = float(np.abs([along[1] - along[0], along[-1] - along[-2]]).mean())
    jump = float(np.abs(along[0] - along[-1]).mean())
    return jump / step if math.isfinite(jump) and math.isfinite(step) and step > 0 else None
