"""The Well: one tree of groups for every system, fields by tensor rank, metadata in attributes.

A field is stored as [B][T][*S][components], an axis left out where a flag of the field says that nothing
varies along it. Flags are believed only as far as the shape agrees with them; shapes are believed over
counts. Axes: B trajectory, T time, S space.
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

from ingest.fields.grid import grid_of
from ingest.fields.stacked import StackedFile, refuse_unread_keys, require_fields, schema_dtype
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
    """The folder's name: the same file name occurs in all three splits."""
    name = path.parent.name
    return name if name in SPLITS else None


def companions(path: Path) -> tuple[Path, ...]:
    """A file stands alone."""
    return ()


@contextmanager
def open_file(path: Path, recipe: Recipe) -> Iterator[StackedFile]:
    """A Well file as the recipe sees it; raises SourceError where tree, flags and shapes disagree."""
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
        yield StackedFile(
            Schema(tuple(field.spec for field in recipe.fields), grid, sides, dtype),
            tuple(Row(time, values) for time, values in zip(times, scalars, strict=True)),
            tuple(fields[field.name] for field in recipe.variable),
            tuple(fields[field.name] for field in recipe.constant),
            mask,
        )


@dataclass(frozen=True)
class _Field:
    """A dataset and which of the axes [B, T, *S] it has; `shape` is the grid's."""

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
        """The space axes that are stored."""
        return tuple(length for length, varies in zip(self.shape, self.varying, strict=True) if varies)

    def frames(self, row: int, start: int, stop: int) -> npt.NDArray[Any]:
        index = ((row,) if self.sample else ()) + ((slice(start, stop),) if self.time else ())
        values = hdf5.slab(self.dataset, *index, ...)
        count, components = stop - start, len(self.shape) ** self.rank
        lengths = [length if varies else 1 for length, varies in zip(self.shape, self.varying, strict=True)]
        values = values.reshape(count if self.time else 1, *lengths, components)
        return np.broadcast_to(np.moveaxis(values, -1, 1), (count, components, *self.shape))


def _grid(file: h5py.File, recipe: Recipe) -> Grid:
    """Axes, cell centres and kind of the grid, from group `dimensions` and attribute `grid_type`."""
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
        raise SourceError(f"{where(file)}: grid_type {stated}; expected one of {', '.join(KINDS)}")
    centres = tuple(_coordinate(dimensions, axis) for axis in axes)
    if kind == "spherical" and axes[0] == LOG_RADIUS and _evenly_spaced(centres[0]):
        kind = "log-spherical"
    return grid_of(where(dimensions), axes, centres, kind)


def _evenly_spaced(centres: tuple[float, ...]) -> bool:
    """Tells logarithms of radii from the radii themselves, whatever the axis is called."""
    widths = np.diff(centres)
    return widths.size > 0 and np.allclose(widths, widths[0], rtol=1e-3)


def _coordinate(dimensions: h5py.Group, axis: str) -> tuple[float, ...]:
    """[L], or [B, L] where every trajectory has the same."""
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
    """`field_names` lists the fields; a dataset that is not in the list is a field as well."""
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
            f"{where(dataset)}: time_varying is {varies_in_time}; recipe says constant = "
            f"{str(field.constant).lower()}; correct the recipe"
        )
    # A field without this attribute varies along all axes: one that varied along none would be a scalar.
    varying = attributes.flags(dataset, "dim_varying") or (True,) * len(grid.axes)
    if len(varying) != len(grid.axes):
        raise SourceError(
            f"{where(dataset)}: dim_varying has {len(varying)} flags; expected {len(grid.axes)}"
        )
    result = _Field(
        dataset, field.rank, _flag(dataset, "sample_varying"), varies_in_time, varying, grid.shape
    )
    _require_shape(result)
    return result


def _flag(item: h5py.HLObject, name: str) -> bool:
    """Flags that writers leave out mean False; the shape is checked against them."""
    return (attributes.flags(item, name) or (False,))[0]


def _require_shape(field: _Field) -> None:
    """[B][T][*S] as the flags say, then D a rank, or D^2 flat."""
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
    """The leading length that all sample-varying fields share; the attribute may be out of date."""
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
            "%s: n_trajectories is %g, the fields hold %d; taking the fields' word",
            file.filename,
            stated,
            count,
        )
    return count


def _times(file: h5py.File, count: int, fields: list[_Field]) -> list[tuple[float, ...]]:
    """Times of each trajectory: [T] for all, or [B, T]."""
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
    """Parameters of each trajectory: one value for all, or one for each."""
    group = tree.child_group(file, "scalars")
    columns: dict[str, list[float]] = {}
    for name in (attributes.texts(group, "field_names") or ()) if group is not None else ():
        dataset = hdf5.numbers(group, name)
        if _flag(dataset, "time_varying"):
            log.warning(
                "%s: left out, a parameter that varies in time has no place in a trajectory", where(dataset)
            )
            continue
        values = hdf5.header_array(dataset).reshape(-1)
        if values.size not in (1, count) or len(dataset.shape) > 1:
            raise SourceError(
                f"{where(dataset)}: shape {dataset.shape}; expected one value, or one for each of {count} "
                "trajectories; fix the file"
            )
        columns[name] = np.broadcast_to(values, (count,)).tolist()
    return [{name: values[row] for name, values in columns.items()} for row in range(count)]
