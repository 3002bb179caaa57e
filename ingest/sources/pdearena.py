"""PDEArena, buoyant smoke in a closed box: one group named after the split, arrays [N, T, *S] of float64.

Smoke sits at cell centres; each velocity component on the lower faces of its own axis, the last face left
out, which is the upper wall and zero. Times and coordinates in the files are those of the plot, not of the
solver: the frames are `dt` apart from `t[0]` on, and N cells fill the length that the N coordinates span. N
trajectory, T time, S space. Source: the generator of the conditioned Navier-Stokes set.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ingest.fields.components import ComponentField, common_shape, component_fields, component_schema
from ingest.fields.grid import grid_of
from ingest.fields.stacked import StackedFile, refuse_unread_keys, require_fields
from ingest.formats import hdf5
from ingest.formats import hdf5_tree as tree
from ingest.formats.hdf5_errors import where
from ingest.recipe import Recipe
from ingest.source import Mark, Row
from shards.errors import SourceError
from shards.schema import SPLITS, Boundary, Sides, Split, side_mask

PATTERNS = ("NavierStokes2D_*.h5",)
MARKS = (
    Mark("velocity on faces, in a group named as the split", ("train/vx", "valid/vx", "test/vx")),
    Mark("the true time step of each run", ("train/dt", "valid/dt", "test/dt")),
    Mark("the buoyancy of each run", ("train/buo_y", "valid/buo_y", "test/buo_y")),
)
BOX: Sides = (Boundary.WALL, Boundary.WALL)
BUOYANCY = "buo_y"


def split(path: Path) -> Split | None:
    """The word between underscores in the name: NavierStokes2D_train_..."""
    said = [word for word in path.name.split("_") if word in SPLITS]
    return said[0] if len(said) == 1 else None


def companions(path: Path) -> tuple[Path, ...]:
    """A file stands alone."""
    return ()


@contextmanager
def open_file(path: Path, recipe: Recipe) -> Iterator[StackedFile]:
    """A PDEArena file as the recipe sees it; raises SourceError where it is not a closed box of this
    layout.
    """
    refuse_unread_keys(recipe)
    with hdf5.open_hdf5(path) as file:
        group = _split_group(file, path)
        _require_closed_box(group, recipe)
        known = {"t", "dt", BUOYANCY, *recipe.axes, *(f"d{axis}" for axis in recipe.axes)}
        require_fields(where(group), set(tree.dataset_names(group)) - known, recipe)
        centres = tuple(_cell_centres(group, axis) for axis in recipe.axes)
        grid = grid_of(where(group), recipe.axes, centres)
        fields = component_fields(group, recipe)
        count, steps = common_shape(group, fields, grid)
        sides = (BOX,) * len(grid.axes)
        yield StackedFile(
            schema=component_schema(recipe, grid, sides, fields),
            rows=_rows(group, count, steps),
            variable=tuple(
                _FaceVector(stored) if field.rank else stored
                for field, stored in zip(recipe.fields, fields, strict=True)
            ),
            constant=(),
            mask=side_mask(grid.shape, sides),
        )


@dataclass(frozen=True)
class _FaceVector:
    """A vector whose component i sits on the lower faces of axis i; read as its means at the cell centres."""

    faces: ComponentField

    @property
    def where(self) -> str:
        return self.faces.where

    def frames(self, row: int, start: int, stop: int) -> npt.NDArray[Any]:
        stored = self.faces.frames(row, start, stop).astype(np.float64, copy=False)
        for axis in range(stored.shape[1]):
            along = np.moveaxis(stored[:, axis], axis + 1, 0)
            # Not-a-number passes here: a broken run is the business of the checks, a wrong layout is ours.
            if (np.abs(along[0]) > 0).any():
                raise SourceError(
                    f"{where(self.faces.components[axis])}: row {row} is not zero on the lower wall; "
                    "expected velocities on the faces of a closed box; this is another layout than "
                    "PDEArena's"
                )
            along[:-1] += along[1:]
            along /= 2
        return stored


def _split_group(file: h5py.File, path: Path) -> h5py.Group:
    """The one group, named as the file name says; else a re-split would leak test runs into training."""
    with_name = split(path)
    groups = tree.child_names(file)
    if with_name is None or groups != (with_name,):
        raise SourceError(
            f"{path}: the name says {with_name or 'no split'}, the file holds "
            f"{', '.join(groups) or 'nothing'}; expected one group named as the split in the file name; "
            "rename the file"
        )
    group = tree.child_group(file, with_name)
    assert group is not None
    return group


def _require_closed_box(group: h5py.Group, recipe: Recipe) -> None:
    """The face left out is the upper wall only in a closed box, so a recipe cannot say otherwise."""
    for axis in recipe.axes:
        if recipe.corrected(axis) not in (None, BOX):
            raise SourceError(
                f"{where(group)}: recipe {recipe.name} corrects axis {axis}; expected walls on all sides, "
                "which PDEArena's generator always sets; remove the correction"
            )


def _cell_centres(group: h5py.Group, axis: str) -> tuple[float, ...]:
    """[L]: the stored list runs from wall to wall, linspace(0, length, L), and so cannot be cell centres."""
    dataset = hdf5.numbers(group, axis)
    stored = hdf5.header_array(dataset)
    if stored.ndim != 2 or not stored.size or (stored != stored[0]).any():
        raise SourceError(
            f"{where(dataset)}: shape {dataset.shape}, or not the same for all rows; expected one list a "
            "row, all alike; split the file by grid"
        )
    lower, upper, cells = stored[0, 0], stored[0, -1], stored.shape[1]
    centres = lower + (np.arange(cells) + 0.5) * ((upper - lower) / cells)
    return tuple(centres.tolist())


def _rows(group: h5py.Group, count: int, steps: int) -> tuple[Row, ...]:
    """The frames are `dt` apart; the spacing of `t` is off by the frames that the generator left out."""
    first = _column(group, "t", (count, steps))[:, 0] if steps else np.zeros(count)
    interval = _column(group, "dt", (count,))
    buoyancy = _column(group, BUOYANCY, (count,))
    times = first[:, None] + np.arange(steps) * interval[:, None]
    return tuple(
        Row(tuple(time), {BUOYANCY: value})
        for time, value in zip(times.tolist(), buoyancy.tolist(), strict=True)
    )


def _column(group: h5py.Group, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    dataset = hdf5.numbers(group, name)
    if dataset.shape != shape:
        raise SourceError(
            f"{where(dataset)}: shape {dataset.shape}; expected {shape}, as the fields; fix the file"
        )
    return hdf5.header_array(dataset)
