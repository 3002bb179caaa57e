"""Reads PDEBench (compressible flow): one array per variable, [N, T, *S], at the root of one file.

The time coordinate has one entry more than there are frames, and only the name of the file states the
boundary. N trajectory, T time, S space. Source: the benchmark's generator and merge script.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py

from ingest.fields.components import common_shape, component_fields, component_schema
from ingest.fields.field_stack import FieldStack, refuse_unread_keys, require_fields
from ingest.fields.grid import grid_of
from ingest.formats import hdf5
from ingest.formats import hdf5_attributes as attributes
from ingest.formats import hdf5_tree as tree
from ingest.formats.hdf5_errors import where
from ingest.recipe import Recipe
from ingest.source import Mark, Row
from shards.errors import SourceError
from shards.schema import Boundary, Sides, Split, side_mask

PATTERNS = ("*.hdf5", "*.h5")
MARKS = (
    Mark("times at the root", ("t-coordinate",)),
    Mark("cell centres at the root", ("x-coordinate",)),
)
PARAMETERS = ("M", "eta", "zeta")


def split(path: Path) -> Split | None:
    """None: the benchmark publishes no split, although names end in Train."""
    return None


def companions(path: Path) -> tuple[Path, ...]:
    """None: a file is read without others."""
    return ()


@contextmanager
def open_file(path: Path, recipe: Recipe) -> Iterator[FieldStack]:
    """Opens a file as the recipe describes it; raises SourceError if arrays disagree or no boundary is
    stated.
    """
    refuse_unread_keys(recipe)
    with hdf5.open_hdf5(path) as file:
        _require_variables_at_root(file, recipe)
        centres = tuple(_coordinate(file, axis) for axis in recipe.axes)
        grid = grid_of(where(file), recipe.axes, centres)
        fields = component_fields(file, recipe)
        count, steps = common_shape(file, fields, grid)
        sides = tuple(recipe.corrected(axis) or _sides(path) for axis in recipe.axes)
        yield FieldStack(
            schema=component_schema(recipe, grid, sides, fields),
            rows=(Row(_times(file, steps), _parameters(file)),) * count,
            variable=fields,
            constant=(),
            mask=side_mask(grid.shape, sides),
        )


def _require_variables_at_root(file: h5py.File, recipe: Recipe) -> None:
    found = tree.dataset_names(file)
    if any("/" in name for name in found):
        raise SourceError(
            f"{file.filename}: holds groups ({found[0]}, ...); expected one array per variable at the root; "
            'read this layout with source = "arrays"'
        )
    require_fields(where(file), {name for name in found if not name.endswith("-coordinate")}, recipe)


def _coordinate(file: h5py.File, axis: str) -> tuple[float, ...]:
    dataset = hdf5.numbers(file, f"{axis}-coordinate")
    if len(dataset.shape) != 1 or not dataset.size:
        raise SourceError(
            f"{where(dataset)}: shape {dataset.shape}; expected a list of cell centres; fix the file"
        )
    return tuple(hdf5.header_array(dataset).tolist())


def _times(file: h5py.File, steps: int) -> tuple[float, ...]:
    """The times [T]; the generator writes T + 1 times, the last one for a frame that is not stored."""
    dataset = hdf5.numbers(file, "t-coordinate")
    if dataset.shape not in ((steps,), (steps + 1,)):
        raise SourceError(
            f"{where(dataset)}: shape {dataset.shape}; expected {steps} or {steps + 1} times for {steps} "
            "frames; fix the file"
        )
    return tuple(hdf5.header_array(dataset)[:steps].tolist())


def _parameters(file: h5py.File) -> dict[str, float]:
    values = {name: attributes.number(file, name) for name in PARAMETERS}
    return {name: value for name, value in values.items() if value is not None}


def _sides(path: Path) -> Sides:
    """The sides that the name states: `periodic`, or `trans` for open; otherwise raises SourceError."""
    words = set(re.split(r"[_.]", path.name.lower()))
    said = [
        kind for word, kind in (("periodic", Boundary.PERIODIC), ("trans", Boundary.OPEN)) if word in words
    ]
    if len(said) != 1:
        raise SourceError(
            f"{path}: PDEBench states the boundary only in the file name, and this one says "
            f"{'two' if said else 'neither periodic nor trans'}; state it in a [correction] of the recipe"
        )
    return said[0], said[0]
