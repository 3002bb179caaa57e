"""Does a field look periodic along each axis? Judged by the jump between its two ends.

Axes: C channel, S space.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ingest.contents.listing import ArrayInfo
from ingest.contents.number_lists import values_of
from ingest.inferring.frames import FrameReader
from ingest.repeated_end import EQUAL, repeats_its_first_cells
from shards.schema import Frames

# So many neighbours' steps apart, and the ends are no neighbours; so many, and they may be.
APART = 4.0
NEAR = 1.5
# Units of latitude in the conventions of climate files (CF).
LATITUDE = re.compile("degrees?_?(north|N)")


@dataclass(frozen=True)
class EndComparison:
    """How the two ends of an axis compare.

    `jump` is the mean jump from the last cell to the first, relative to the steps to their neighbours; None
    if nothing varies along the axis. `repeated`: the last cells equal the first. `at_rest`: all fields are
    constant along either end. `latitude`: the axis ends at the poles or before them. `stretched`: cells
    differ in width by more than a tenth, as levels do and cells of periodic axes hardly ever.
    """

    jump: float | None = None
    repeated: bool = False
    at_rest: bool = False
    latitude: bool = False
    stretched: bool = False

    @property
    def side(self) -> Literal["wall", "open", "periodic"]:
        """The boundary that the ends suggest."""
        if self.repeated:
            return "periodic"
        if self.at_rest or (self.jump is not None and self.jump >= APART):
            return "wall"
        return "open" if self.latitude or self.stretched else "periodic"

    @property
    def words(self) -> str:
        """What the ends suggest, in words; empty if nothing.

        >>> EndComparison(jump=9.0).words
        'probably not periodic: between the two ends values change 9 times as much as next to them'
        """
        if self.repeated:
            return "the last cells repeat the first: a periodic axis whose end is stored twice"
        if self.at_rest:
            return "fields are constant on both ends, as at walls"
        if self.latitude:
            return "latitude: never periodic"
        if self.stretched and not (self.jump is not None and self.jump >= APART):
            return "cells of different width: hardly periodic"
        if self.jump is None or NEAR < self.jump < APART:
            return ""
        if self.jump >= APART:
            return (
                f"probably not periodic: between the two ends values change {self.jump:.0f} times as much as "
                "next to them"
            )
        return "perhaps periodic: between the two ends values change no more than next to them"


def axis_ends(reader: FrameReader, cut: Mapping[str, tuple[int, int]]) -> dict[str, EndComparison]:
    """The ends of each axis in the first trajectory: the jump in its middle frame and the channel that jumps
    most, the rest in several frames. `cut` are the ghost cells of each axis, which say nothing.
    """
    layout = reader.layout
    last = reader.count - 1
    channels = _channels(reader, last // 2 + last % 2, cut)
    # A wave that is symmetric in one frame is not in others.
    more = [channels, _channels(reader, min(1, last), cut), _channels(reader, last, cut)]
    frames = np.array([each for each in more if len(each) == len(channels)])
    found = {}
    for number, axis in enumerate(layout.axes):
        jumps = [_jump(channel, number) for channel in channels]
        known = [jump for jump in jumps if jump is not None]
        latitude = axis in layout.lists.space and _is_latitude(layout.lists.space[axis])
        at_rest = len(layout.axes) > 1 and bool(known) and all(_rests(each, number) for each in channels)
        repeated = bool(known) and not latitude and repeats_its_first_cells(frames, number)
        stretched = _is_stretched(reader, axis)
        found[axis] = EndComparison(max(known, default=None), repeated, at_rest, latitude, stretched)
    return found


def _is_stretched(reader: FrameReader, axis: str) -> bool:
    """Whether the list of an axis has steps that differ by more than a tenth."""
    listed = reader.layout.lists.space.get(axis)
    cells = None if listed is None or len(listed.values) > 1 else values_of(reader.arrays, listed)
    if cells is None or len(cells) < 3 or not np.isfinite(cells).all():
        return False
    steps = np.abs(np.diff(cells))
    return bool(steps.max() > 1.1 * steps.min())


def _is_latitude(listed: ArrayInfo) -> bool:
    return LATITUDE.fullmatch(listed.unit) is not None or listed.attributes.get("standard_name") == "latitude"


def _channels(reader: FrameReader, number: int, cut: Mapping[str, tuple[int, int]]) -> list[Frames]:
    """The channels [*S] of all variable fields in one frame, without ghost cells."""
    within = []
    for axis in reader.layout.axes:
        lower, upper = cut.get(axis, (0, 0))
        within.append(slice(lower, reader.layout.lengths[axis] - upper))
    frames = [reader.frame(field, number) for field in reader.layout.variable]
    return [channel[tuple(within)] for frame in frames if frame is not None for channel in frame]


def _rests(values: Frames, axis: int) -> bool:
    """Whether a channel [*S] is constant along either end."""
    along = np.moveaxis(values, axis, 0)
    small = EQUAL * float(np.ptp(along))
    return bool(np.ptp(along[0]) <= small and np.ptp(along[-1]) <= small)


def _jump(values: Frames, axis: int) -> float | None:
    """The jump between the ends of one channel [*S]."""
    along = np.moveaxis(values, axis, 0)
    if len(along) < 3:
        return None
    # Next to the ends and not everywhere: what is near them may be steeper than the rest.
    step = float(np.abs([along[1] - along[0], along[-1] - along[-2]]).mean())
    jump = float(np.abs(along[0] - along[-1]).mean())
    return jump / step if math.isfinite(jump) and math.isfinite(step) and step > 0 else None
