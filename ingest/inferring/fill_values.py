"""Finds cells with a number that stands for no value, where the file does not say so: -9999 on land.

See docs/decisions/0177-numbers-for-no-value.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingest.inferring.frames import FrameReader
from ingest.inferring.inferred_layout import PlacedArray
from shards.schema import Frames

# Numbers that programs write where there is no value; the last four are those of NetCDF and its readers.
USUAL = (-99.0, -999.0, -9999.0, -99999.0, -32768.0, -1e30, 1e30, 1e20, 1e36, 9.96921e36)
FEWEST_CELLS = 2


@dataclass(frozen=True)
class FilledCells:
    """How many cells of each checked frame have this number."""

    value: float
    cells: int

    @property
    def words(self) -> str:
        """What a person must look at."""
        return (
            f"{self.cells} cells are {self.value:g} in all frames that were checked; if this stands for no "
            "value, write NaN there and draft again"
        )


def filled_cells(reader: FrameReader, field: PlacedArray) -> FilledCells | None:
    """The cells of the first frame with a usual number for no value, if they have it in the last frame too.

    All other numbers must be far smaller: -99 is no mark among temperatures of -80. None if there are none.
    """
    first = reader.frame(field, 0)
    if first is None:
        return None
    for value in USUAL:
        marked = _marked(first, value)
        cells = int(marked.any(axis=0).sum())
        others = np.abs(first[~marked & np.isfinite(first)])
        if cells < FEWEST_CELLS or not others.size or 2 * others.max() >= abs(value):
            continue
        last = reader.frame(field, reader.count - 1)
        if last is not None and np.array_equal(marked, _marked(last, value)):
            return FilledCells(value, cells)
    return None


def _marked(frame: Frames, value: float) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """The cells with this number, as float32 rounds it."""
    marked: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = np.isclose(frame, value, rtol=1e-6, atol=0)
    return marked
