"""Reads PDEGym: one NetCDF4 variable [N, T, C, *S] for all fields; only the recipe says what its channels
mean.

No file states its channels or boundaries, so the values are checked: densities and pressures must be
positive, and values may not jump more between periodic ends than elsewhere. N trajectory, T time, C channel,
S space. Source: the benchmark's loader.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ingest.fields.array_field import require_every_channel
from ingest.fields.coordinates import described_grid
from ingest.fields.described_fields import described_fields
from ingest.fields.field_stack import FieldStack, refuse_unread_keys, require_fields
from ingest.fields.times import described_rows
from ingest.formats.arrays import open_hdf5_arrays
from ingest.recipe import Recipe
from ingest.source import Mark
from shards.errors import SourceError
from shards.schema import Boundary, Frames, Mask, Split

PATTERNS = ("*.nc",)
MARKS = (Mark("one array of five axes for all fields", ("solution", "data"), 5),)
LAYOUT = "n t c x y"
POSITIVE = ("density", "pressure")
# A shock at the periodic ends jumps as much as shocks elsewhere; at open sides, the ends differ more.
SEAM = 3.0


def split(path: Path) -> Split | None:
    """None: the benchmark splits by row, as the recipe states."""
    return None


def companions(path: Path) -> tuple[Path, ...]:
    """None: a file is read without others."""
    return ()


@contextmanager
def open_file(path: Path, recipe: Recipe) -> Iterator[FieldStack]:
    """Opens a file as the recipe describes it; raises SourceError for unused channels or a repeated file."""
    refuse_unread_keys(recipe, "layout", "time", "coordinates", "scalars")
    _refuse_part_of_whole(path)
    with open_hdf5_arrays(path) as arrays:
        require_fields(arrays.where, arrays.names(), recipe)
        fields = described_fields(arrays, recipe, recipe.layout or LAYOUT)
        require_every_channel(fields.fields.values())
        grid = described_grid(arrays, recipe, fields.shape)
        found = fields.stacked(grid, described_rows(arrays, recipe, fields.steps), None)
        yield _PhysicalFile(found.schema, found.rows, found.variable, found.constant, found.mask)


@dataclass(frozen=True)
class _PhysicalFile(FieldStack):
    """A file that checks channels and boundaries when they are read."""

    def frames(self, row: int, start: int, stop: int) -> Frames:
        # The file does not name its channels; a density <= 0 shows that they are in another order.
        values = super().frames(row, start, stop)
        for name in (each for each in POSITIVE if each in self.schema.channels):
            channel = values[:, self.schema.channels.index(name)]
            if (channel <= 0).any():
                raise SourceError(
                    f"{self.variable[0].where}: row {row}: {name} has {np.count_nonzero(channel <= 0)} "
                    f"values <= 0 in frames {start} to {stop - 1}; expected more than 0: a failed run, or "
                    "channels in another order"
                )
        return values

    def boundary(self, row: int) -> Mask:
        # The middle frame: at the start, many systems are equal at both ends with any boundary.
        cells = super().boundary(row)
        middle = len(self.rows[row].time) // 2
        frame = super().frames(row, middle, middle + 1)[0]
        for axis, sides in enumerate(self.schema.boundaries):
            if Boundary.PERIODIC in sides and _torn(frame, axis + 1):
                raise SourceError(
                    f"{self.variable[0].where}: row {row}: frame {middle} jumps from one end of axis "
                    f"{self.schema.grid.axes[axis]} to the other; expected a periodic seam; correct the "
                    "boundaries of the recipe"
                )
        return cells


def _torn(frame: Frames, axis: int) -> bool:
    """Whether a channel of [C, *S] jumps far more between the ends of an axis than anywhere along it."""
    along = np.moveaxis(frame, axis, 0).astype(np.float64)
    along = along.reshape(len(along), len(frame), -1)
    inside = np.abs(np.diff(along, axis=0)).mean(axis=2).max(axis=0, initial=0)
    seam = np.abs(along[0] - along[-1]).mean(axis=1)
    return bool((seam > SEAM * inside).any())


def _refuse_part_of_whole(path: Path) -> None:
    """Raises SourceError for a part such as `solution_0.nc` next to the file of all parts: rows would
    repeat.
    """
    if not re.fullmatch(r"solution_\d+", path.stem):
        return
    others = sorted(
        other.name for other in path.parent.glob("*.nc") if not re.fullmatch(r"solution_\d+", other.stem)
    )
    if others:
        raise SourceError(
            f"{path}: a part next to {others[0]}, which holds all parts; expected one or the "
            "other; move one of them away"
        )
