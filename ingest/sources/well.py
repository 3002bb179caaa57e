"""Reads The Well: the same tree of groups for every system, fields by tensor rank, metadata in attributes.

A field is stored as [B][T][*S][components]; flags of the field say along which axes it does not vary, and
these axes are left out. Flags must agree with the shape; if the attribute n_trajectories differs from the
shape, the shape counts. Axes: B trajectory, T time, S space.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ingest.fields.field_stack import FieldStack, refuse_unread_keys, require_fields, schema_dtype
from ingest.fields.grid import grid_of
from ingest.formats import hdf5
from ingest.formats import hdf5_attributes as attributes
from ingest.formats import hdf5_tree as tree
from ingest.formats.hdf5_errors import where
from ingest.recipe import Recipe, RecipeField
from ingest.source import Mark, Row
from ingest.sources._well_boundaries import boundaries
from shards.errors import SourceError
from shards.schema import SPLITS, Grid, GridKind, Schema, Split

PATTERNS = ("*.hdf5", "*.h5")
MARKS = (
    Mark("coordinates in a group of their own", ("dimensions/*",)),
    Mark("fields in groups by tensor rank", ("t[012]_fields/*",)),
)
KINDS: tuple[GridKind, ...] = ("cartesian", "equiangular", "spherical")
LOG_RADIUS = "log_r"
log = logging.getLogger(__name__)


def split(path: Path) -> Split | None:
    """The name of the folder, if it is a split: the same file names occur in all three splits."""
    name = path.parent.name
    return name if name in SPLITS else None


def companions(path: Path) -> tuple[Path, ...]:
    """None: a file is read without others."""
    return ()


@contextmanager
def open_file(path: Path, recipe: Recipe) -> Iterator[FieldStack]:
    """Opens a file as the recipe describes it; raises SourceError if tree, flags and shapes disagree."""
    refuse_unread_keys(recipe)
    with hdf5.open_hdf5(path) as file:
        grid = _grid(file, recipe)
        _require_recipe_fields(file, recipe)
        fields = {field.name: _field(file, field, grid) for field in recipe.fields}
        count = _trajectories(file, list(fields.values()))
        times = _times(file, count, list(fields.values()))
        scalars = _scalars(file, count)
        sides, mask = boundaries(file, recipe, grid.shape)
        dtype = schema_dtype((field.dataset.dtype for field in fields.values()), recipe.dtype)
        yield FieldStack(
            Schema(tuple(field.spec for field in recipe.fields), grid, sides, dtype),
            tuple(Row(time, values) for time, values in zip(times, scalars, strict=True)),
            tuple(fields[field.name] for field in recipe.variable),
            tuple(fields[field.name] for field in recipe.constant),
            mask,
        )


@dataclass(frozen=True)
class _Field:
    """A dataset and which of the axes [B, T, *S] it has; `shape` is that of the grid."""

    dataset: h5py.Dataset
    rank: int
    sample: bool
    time: bool
    varying: tuple[bool, ...]
    shape: tuple[int, ...]

    @property
    def where(self) -> str:
        return where(self.dataset)

    @property
    def stored_lengths(self) -> tuple[int, ...]:
        """The lengths of the axes of space that are stored."""
        return tuple(length for length, varies in zip(self.shape, self.varying, strict=True) if varies)

    def frames(self, row: int, start: int, stop: int) -> npt.NDArray[Any]:
        index: list[int | slice] = [row] if self.sample else []
        index += [slice(start, stop)] if self.time else []
        values = hdf5.slab(self.dataset, *index, ...)
        count, components = stop - start, len(self.shape) ** self.rank
        # Axes that are not stored have one value for all.
        lengths = [length if varies else 1 for length, varies in zip(self.shape, self.varying, strict=True)]
        values = values.reshape(count if self.time else 1, *lengths, components)
        return np.broadcast_to(np.moveaxis(values, -1, 1), (count, components, *self.shape))


def _grid(file: h5py.File, recipe: Recipe) -> Grid:
    """The grid, from the group `dimensions` and the attribute `grid_type`; raises SourceError."""
    dimensions = tree.child_group(file, "dimensions")
    axes = attributes.texts(dimensions, "spatial_dims") if dimensions is not None else None
    if dimensions is None or axes != recipe.axes:
        raise SourceError(
            f"{where(file)}dimensions: spatial_dims {list(axes or ())}; expected the axes "
            f"{list(recipe.axes)} of recipe {recipe.name}, in this order; correct the recipe, or name the "
            "recipe of this file"
        )

    stated = (attributes.texts(file, "grid_type") or ("cartesian",))[0].lower()
    kind = next((known for known in KINDS if known == stated), None)
    if kind is None:
        raise SourceError(
            f"{where(file)}: grid_type {stated}; expected one of {', '.join(KINDS)}; fix the file"
        )

    centres = tuple(_coordinate(dimensions, axis) for axis in axes)
    if kind == "spherical" and axes[0] == LOG_RADIUS and _evenly_spaced(centres[0]):
        kind = "log-spherical"
    return grid_of(where(dimensions), axes, centres, kind)


def _evenly_spaced(centres: tuple[float, ...]) -> bool:
    """Whether centres are evenly spaced: logarithms of radii are, the radii themselves are not."""
    widths = np.diff(centres)
    return widths.size > 0 and np.allclose(widths, widths[0], rtol=1e-3)


def _coordinate(dimensions: h5py.Group, axis: str) -> tuple[float, ...]:
    """The cell centres of an axis, from a list [L], or from [B, L] with equal rows."""
    dataset = hdf5.numbers(dimensions, axis)
    values = np.atleast_2d(hdf5.header_array(dataset))
    if (
        values.ndim != 2
        or not values.size
        or not all(np.array_equal(row, values[0], equal_nan=True) for row in values)
    ):
        raise SourceError(
            f"{where(dataset)}: shape {dataset.shape}, or not the same for all trajectories; expected one "
            "list of cell centres; split the file by grid"
        )
    return tuple(values[0].tolist())


def _require_recipe_fields(file: h5py.File, recipe: Recipe) -> None:
    """Raises SourceError if fields of file and recipe differ; datasets outside `field_names` count too."""
    found = set()
    for rank in range(3):
        group = tree.child_group(file, f"t{rank}_fields")
        if group is None:
            continue
        names = {*(attributes.texts(group, "field_names") or ()), *tree.dataset_names(group)}
        for field in recipe.fields:
            if field.rank != rank and names & set(field.stored_names):
                raise SourceError(
                    f"{where(group)}: holds {field.stored_names[0]} as rank {rank}; recipe {recipe.name} "
                    f"says rank {field.rank}; correct the recipe"
                )
        found |= names

    require_fields(where(file), found, recipe)


def _field(file: h5py.File, field: RecipeField, grid: Grid) -> _Field:
    if len(field.stored_names) != 1:
        raise SourceError(
            f"{where(file)}: field {field.name} is stored in {len(field.stored_names)} arrays by its recipe; "
            "expected one name: The Well keeps components in one array"
        )

    dataset = hdf5.numbers(file[f"t{field.rank}_fields"], field.stored_names[0])
    varies_in_time = _flag(dataset, "time_varying")
    if varies_in_time == field.constant:
        raise SourceError(
            f"{where(dataset)}: time_varying is {varies_in_time}, but the recipe says constant = "
            f"{str(field.constant).lower()}; correct the recipe"
        )

    # A field without this attribute varies along all axes.
    varying = attributes.flags(dataset, "dim_varying") or (True,) * len(grid.axes)
    if len(varying) != len(grid.axes):
        raise SourceError(
            f"{where(dataset)}: dim_varying has {len(varying)} flags; expected {len(grid.axes)}; fix the file"
        )

    result = _Field(
        dataset, field.rank, _flag(dataset, "sample_varying"), varies_in_time, varying, grid.shape
    )
    _require_shape(result)
    return result


def _flag(item: h5py.HLObject, name: str) -> bool:
    """A flag; False if the writer left it out. The shape is checked against it later."""
    return (attributes.flags(item, name) or (False,))[0]


def _require_shape(field: _Field) -> None:
    """Raises SourceError unless the shape is [B][T][*S] as the flags say, then [D] or [D, D] or [D^2]."""
    axes = len(field.shape)
    tails = {(axes,) * field.rank, (axes**field.rank,) if field.rank else ()}
    leading = int(field.sample) + int(field.time)
    if not any(field.dataset.shape[leading:] == field.stored_lengths + tail for tail in tails) or (
        len(field.dataset.shape) < leading
    ):
        names = ["B"] * field.sample + ["T"] * field.time + [str(length) for length in field.stored_lengths]
        expected = " x ".join(names + [str(axes)] * field.rank)
        raise SourceError(
            f"{field.where}: shape {field.dataset.shape}; its flags (sample_varying {field.sample}, "
            f"time_varying {field.time}, dim_varying {list(field.varying)}) and the coordinates say "
            f"{expected}; fix the file"
        )


def _trajectories(file: h5py.File, fields: list[_Field]) -> int:
    """The number of trajectories, from the fields that vary with them; the attribute may be wrong."""
    lengths = {field.dataset.name: field.dataset.shape[0] for field in fields if field.sample}
    if len(set(lengths.values())) > 1:
        held = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise SourceError(
            f"{where(file)}: fields differ in their number of trajectories ({held}); expected the same; "
            "fix the file"
        )

    count = next(iter(lengths.values()), 1)
    stated = attributes.number(file, "n_trajectories")
    if stated is not None and stated != count:
        log.warning(
            "%s: n_trajectories is %g, but the fields hold %d, which is used",
            file.filename,
            stated,
            count,
        )

    return count


def _times(file: h5py.File, count: int, fields: list[_Field]) -> list[tuple[float, ...]]:
    """The times of each trajectory, stored as [T] for all, or as [B, T]."""
    dataset = hdf5.numbers(file["dimensions"], "time")
    steps = {field.dataset.name: field.dataset.shape[int(field.sample)] for field in fields if field.time}
    wrong = {name: length for name, length in steps.items() if length != (dataset.shape or (0,))[-1]}
    if dataset.shape[:-1] not in ((), (count,)) or not dataset.shape or wrong:
        held = ", ".join(f"{name} {length}" for name, length in steps.items())
        raise SourceError(
            f"{where(dataset)}: shape {dataset.shape}; the fields hold {count} trajectories of frames: "
            f"{held}; expected one time per frame; fix the file"
        )
    values = hdf5.header_array(dataset)
    return [tuple(row) for row in np.broadcast_to(values, (count, values.shape[-1])).tolist()]


def _scalars(file: h5py.File, count: int) -> list[dict[str, float]]:
    """The parameters of each trajectory, stored as one value for all, or one for each."""
    group = tree.child_group(file, "scalars")
    columns: dict[str, list[float]] = {}
    for name in (attributes.texts(group, "field_names") or ()) if group is not None else ():
        dataset = hdf5.numbers(group, name)
        if _flag(dataset, "time_varying"):
            log.warning("%s: left out, because it varies in time and parameters are constant", where(dataset))
            continue
        values = hdf5.header_array(dataset).reshape(-1)
        if values.size not in (1, count) or len(dataset.shape) > 1:
            raise SourceError(
                f"{where(dataset)}: shape {dataset.shape}; expected one value, or one for each of {count} "
                "trajectories; fix the file"
            )
        columns[name] = np.broadcast_to(values, (count,)).tolist()

    return [{name: values[row] for name, values in columns.items()} for row in range(count)]
