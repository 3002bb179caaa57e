"""Finds runs of one array that seem to be filled up to the length of the longest."""

from __future__ import annotations

import numpy as np

from ingest.inferring.frames import FrameReader
from ingest.layout import TRAJECTORY
from shards.program.console import printable
from shards.schema import Frames

# How many runs are looked at.
MOST_RUNS = 20


def filled_up(reader: FrameReader) -> str:
    """A sentence on runs whose last frame, but not the first, has one value in all cells, or none; empty if
    there are none.
    """
    layout = reader.layout
    field = next((each for each in layout.variable if TRAJECTORY in each.words), None)
    if field is None or field.array.groups > 1 or reader.states:
        return ""
    count = layout.lengths[TRAJECTORY]
    rows = range(0, count, -(-count // MOST_RUNS))
    filled = 0
    for row in rows:
        first, last = (reader.frame(field, number, row) for number in (0, reader.count - 1))
        if first is not None and last is not None:
            filled += _is_one_value(last) and not _is_one_value(first)
    if not filled:
        return ""
    name = printable(field.array.path)
    return (
        f"in {filled} of {len(rows)} runs that were read, the last frame of {name} has one value in all "
        "cells. If short runs are filled up, the filling is read as frames: save each run to a file of its "
        "own"
    )


def _is_one_value(frame: Frames) -> bool:
    return bool(np.isnan(frame).all() or (frame == frame.flat[0]).all())
