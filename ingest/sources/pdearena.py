"""Reads PDEArena (buoyant smoke in a closed box): a group named after the split, arrays [N, T, *S] of
float64.

Smoke is at cell centres; a velocity component is on the lower faces of its axis, without the last face (the
upper wall, where it is 0). Times and coordinates in the files are those of plots, not of the solver: frames
are `dt` apart from `t[0]` on, and N cells fill the length that N coordinates span. N trajectory, T time, S
space. Source: the generator of the conditioned Navier-Stokes set.
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
from ingest.fields.field_stack import FieldStack, refuse_unread_keys, require_fields
from ingest.fields.grid import grid_of
from ingest.formats import hdf5
from ingest.formats import hdf5_tree as tree
from ingest.formats.hdf5_errors import where
from ingest.recipe import Recipe
from ingest.source import Mark, Row
from ingest.split_names import split_in_published_path
from shards.errors import SourceError
from shards.schema import Boundary, Sides, Split, side_mask

PATTERNS = ("NavierStokes2D_*.h5",)
MARKS = (
    Mark("velocity on faces, in a group named as the split", ("train/vx", "valid/vx", "test/vx")),
    Mark("the true time step of each run", ("train/dt", "valid/dt", "test/dt")),
    Mark("the buoyancy of each run", ("train/buo_y", "valid/buo_y", "test/buo_y")),
)
BOX: Sides = (Boundary.WALL, Boundary.WALL)
BUOYANCY = "buo_y"


def split(path: Path) -> Split | None:
    """The split in the name, such as train in NavierStokes2D_train_...; None if it names no split or two."""
    return split_in_published_path(path.name)


def companions(path: Path) -> tuple[Path, ...]:
    """None: a file is read without others."""
    return ()


@contextmanager
def open_file(path: Path, recipe: Recipe) -> Iterator[FieldStack]:
    """Opens a file as the recipe describes it; raises SourceError if it is not a closed box in this
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
        yield FieldStack(
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
    """A vector with component i on the lower faces of axis i; it is read as means at the cell centres."""

    faces: ComponentField

    @property
    def where(self) -> str:
        return self.faces.where

    def frames(self, row: int, start: int, stop: int) -> npt.NDArray[Any]:
        stored = self.faces.frames(row, start, stop).astype(np.float64, copy=False)
        for axis in range(stored.shape[1]):
            along = np.moveaxis(stored[:, axis], axis + 1, 0)
            # NaN passes here: the checks report a broken run, this is only about the layout.
            if (np.abs(along[0]) > 0).any():
                raise SourceError(
                    f"{where(self.faces.components[axis])}: row {row} is not zero on the lower wall; "
                    "expected velocities on the faces of a closed box; this is not the layout of "
                    "PDEArena"
                )
            along[:-1] += along[1:]
            along /= 2
        return stored


def _split_group(file: h5py.File, path: Path) -> h5py.Group:
    """The only group, with the split of the file name; otherwise test runs could leak into training."""
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
    """Raises SourceError if the recipe corrects a boundary: the missing faces are walls in a closed box."""
    for axis in recipe.axes:
        if recipe.corrected(axis) not in (None, BOX):
            raise SourceError(
                f"{where(group)}: recipe {recipe.name} corrects axis {axis}; expected walls on all sides, "
                "which PDEArena's generator always sets; remove the correction"
            )


def _cell_centres(group: h5py.Group, axis: str) -> tuple[float, ...]:
    """The cell centres [L]; the stored list linspace(0, length, L) reaches from wall to wall, so it has
    none.
    """
    dataset = hdf5.numbers(group, axis)
    stored = hdf5.header_array(dataset)
    if stored.ndim != 2 or not stored.size or (stored != stored[0]).any():
        raise SourceError(
            f"{where(dataset)}: shape {dataset.shape}, or not the same for all rows; expected the same list "
            "in each row; split the file by grid"
        )
    lower, upper, cells = stored[0, 0], stored[0, -1], stored.shape[1]
    centres = lower + (np.arange(cells) + 0.5) * ((upper - lower) / cells)
    return tuple(centres.tolist())


def _rows(group: h5py.Group, count: int, steps: int) -> tuple[Row, ...]:
    """The rows; frames are `dt` apart, because the spacing of `t` ignores frames that were left out."""
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
            f"{where(dataset)}: shape {dataset.shape}; expected {shape}, as for the fields; fix the file"
        )
    return hdf5.header_array(dataset)
