"""Does a field look periodic along each axis? Judged by the jump between its two ends.

Axes: C channel, S space.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ingest.inspecting.frames import FrameReader
from shards.schema import Frames

# So many neighbours' steps apart, and the ends are no neighbours; so many, and they may be.
APART = 4.0
NEAR = 1.5


@dataclass(frozen=True)
class Ends:
    """What the two ends of an axis have to do with each other.

    `jump` is the mean jump from the last cell to the first, in steps from these to their neighbours; None
    where nothing varies along the axis. `repeated`: the last cells hold what the first hold.
    """

    jump: float | None = None
    repeated: bool = False

    @property
    def words(self) -> str:
        """What they say to a person; nothing where they say nothing.

        >>> Ends(jump=9.0).words
        'hardly periodic: from end to end values jump 9 times as far as next to them'
        """
        if self.repeated:
            return "the last cells repeat the first: a periodic axis whose end is stored twice"
        if self.jump is None or NEAR < self.jump < APART:
            return ""
        if self.jump >= APART:
            return (
                f"hardly periodic: from end to end values jump {self.jump:.0f} times as far as next to them"
            )
        return "perhaps periodic: values step no further from end to end than next to the ends"


def axis_ends(reader: FrameReader) -> dict[str, Ends]:
    """The ends of each axis, in the middle frame of the first trajectory and the channel that jumps most."""
    layout = reader.layout
    last = reader.count - 1
    channels = _channels(reader, last // 2 + last % 2)
    # A wave that is symmetric in one frame is not in others.
    more = [*channels, *_channels(reader, min(1, last)), *_channels(reader, last)]
    found = {}
    for number, axis in enumerate(layout.axes):
        jumps = [_jump(channel, number) for channel in channels]
        told = [jump for jump in jumps if jump is not None]
        repeated = bool(told) and all(_repeats(channel, number) for channel in more)
        found[axis] = Ends(max(told, default=None), repeated)
    return found


def _channels(reader: FrameReader, number: int) -> list[Frames]:
    """The channels [*S] of all variable fields in one frame."""
    frames = [reader.frame(field, number) for field in reader.layout.variable]
    return [channel for frame in frames if frame is not None for channel in frame]


def _repeats(values: Frames, axis: int) -> bool:
    along = np.moveaxis(values, axis, 0)
    if not np.isfinite(along).all():
        return False
    scale = float(np.abs(along).max())
    return bool(np.allclose(along[0], along[-1], rtol=0, atol=1e-9 * scale))


def _jump(values: Frames, axis: int) -> float | None:
    """The jump between the ends of one channel [*S]."""
    along = np.moveaxis(values, axis, 0)
    if len(along) < 3:
        return None
    # Next to the ends and not everywhere: what is near them may be steeper than the rest.
    step = float(np.abs([along[1] - along[0], along[-1] - along[-2]]).mean())
    jump = float(np.abs(along[0] - along[-1]).mean())
    return jump / step if math.isfinite(jump) and math.isfinite(step) and step > 0 else None
