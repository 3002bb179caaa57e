"""Reads FlowBench (flow past an object): `Re_<n>.npz` with `data` [T, y, x, (u, v, p)], geometry next to it.

The Reynolds number is only in the file name; times and coordinates are only in the recipe. The object is in
`input_geometry.npz`: `data` is a signed distance, `mask` marks one side, each [y, x]. Releases and papers
disagree which side is inside, so the flow decides, file by file: nothing moves inside. T time, S space.
Source: the benchmark's preparation scripts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.fields.array_field import (
    ArrayField,
    ArrayWithLayout,
    lay_out,
    require_every_channel,
    require_lengths,
)
from ingest.fields.coordinates import described_grid
from ingest.fields.described_fields import described_fields
from ingest.fields.field_stack import FieldStack, StoredField, refuse_unread_keys, require_fields
from ingest.fields.times import described_rows
from ingest.formats.npz import NpyArray, Npz, open_npz
from ingest.formats.packing import Attribute
from ingest.recipe import Recipe
from ingest.source import Mark, Row
from shards.errors import SourceError
from shards.schema import Split

PATTERNS = ("Re_*.npz",)
MARKS = (Mark("one array of time, y, x and (u, v, p)", ("data",), 4),)
LAYOUT = "t y x c"
GEOMETRY = "input_geometry"
MASK, DISTANCE = f"{GEOMETRY}/mask", f"{GEOMETRY}/data"
# The frames that show which cells move: after the first two, which the benchmark drops too.
JUDGED = (2, 5)
# Inside an object, speeds are only rounding; in its wake they are a tenth of the inflow.
STILL = 0.05
# The least share of common cells of the insides of mask and distance: thin objects are mostly surface.
SHARED = 0.5


def split(path: Path) -> Split | None:
    """None: the benchmark publishes no split."""
    return None


def companions(path: Path) -> tuple[Path, ...]:
    """The geometry, if it is in the folder of the file."""
    geometry = path.with_name(f"{GEOMETRY}.npz")
    return (geometry,) if geometry.is_file() else ()


@contextmanager
def open_file(path: Path, recipe: Recipe) -> Iterator[FieldStack]:
    """Opens a file as the recipe describes it; raises SourceError if its arrays or its name do not fit."""
    refuse_unread_keys(recipe, "layout", "time", "coordinates", "scalars")
    reynolds = _reynolds(path)
    with ExitStack() as stack:
        arrays = _Run(stack.enter_context(open_npz(path)), _open_geometry(stack, path))
        _require_arrays(path, recipe, arrays)
        fields = described_fields(arrays, recipe, recipe.layout or LAYOUT)
        require_every_channel(fields.fields.values())
        rows = tuple(
            Row(row.time, {**row.scalars, "Reynolds": reynolds})
            for row in described_rows(arrays, recipe, fields.steps)
        )
        obstacle = _Obstacle.of(arrays, recipe, fields.shape) if MASK in arrays.names() else None
        found = fields.stacked(described_grid(arrays, recipe, fields.shape), rows, obstacle)
        yield replace(found, constant=tuple(_settled(field, obstacle) for field in found.constant))


def _require_arrays(path: Path, recipe: Recipe, arrays: _Run) -> None:
    """Raises SourceError if a field of the recipe is missing, or if an array is not a field.

    The arrays of the geometry need not be fields: they decide the obstacle.
    """
    wanted = set(recipe.stored_names)
    if arrays.geometry is None and wanted & {MASK, DISTANCE}:
        raise SourceError(
            f"{path}: no {GEOMETRY}.npz next to it, and recipe {recipe.name} reads a field from there; fetch "
            "it, or remove the field"
        )
    require_fields(arrays.where, set(arrays.names()) - ({MASK, DISTANCE} - wanted), recipe)


def _reynolds(path: Path) -> float:
    named = re.fullmatch(r"Re_(\d+(?:\.\d+)?)", path.stem)
    if named is None:
        raise SourceError(f"{path}: the file name has no Reynolds number; expected Re_<number>.npz")
    return float(named[1])


def _open_geometry(stack: ExitStack, path: Path) -> Npz | None:
    geometry = companions(path)
    return stack.enter_context(open_npz(geometry[0])) if geometry else None


@dataclass(frozen=True)
class _Run:
    """The arrays of a run and of its geometry; the latter have names such as `input_geometry/mask`."""

    flow: Npz
    geometry: Npz | None

    @property
    def where(self) -> str:
        return self.flow.where

    def names(self) -> tuple[str, ...]:
        names = self.geometry.names() if self.geometry else ()
        return (*self.flow.names(), *(f"{GEOMETRY}/{name}" for name in names))

    def array(self, path: str) -> NpyArray:
        if self.geometry is None or not path.startswith(f"{GEOMETRY}/"):
            return self.flow.array(path)
        return self.geometry.array(path.removeprefix(f"{GEOMETRY}/"))

    def attribute(self, path: str, name: str) -> float | None:
        return self.flow.attribute(path, name)

    def attributes(self, path: str) -> dict[str, Attribute]:
        return self.flow.attributes(path)

    def dimensions(self, path: str) -> tuple[str, ...]:
        return self.flow.dimensions(path)


@dataclass(frozen=True)
class _Obstacle:
    """The object of one run; it is read at first use."""

    flow: ArrayWithLayout
    mask: ArrayWithLayout
    distance: ArrayWithLayout

    @classmethod
    def of(cls, arrays: _Run, recipe: Recipe, shape: tuple[int, ...]) -> _Obstacle:
        mask, distance = (lay_out(arrays, name, "y x", recipe.axes) for name in (MASK, DISTANCE))
        require_lengths((mask, distance), shape)
        return cls(lay_out(arrays, "data", LAYOUT, recipe.axes), mask, distance)

    def solid(self, row: int) -> npt.NDArray[np.bool_]:
        return self._solid

    @cached_property
    def _solid(self) -> npt.NDArray[np.bool_]:
        last = self.flow.length("t")
        start, stop = min(JUDGED[0], last - 1), min(JUDGED[1], last)
        speed = np.abs(self.flow.frames(0, start, stop)[:, :2]).max(axis=(0, 1))
        mask, distance = (stored.frames(0, 0, 1)[0, 0] for stored in (self.mask, self.distance))
        return solid_cells(mask != 0, distance, speed, self.mask.where)


def solid_cells(
    mask: npt.NDArray[np.bool_], distance: npt.NDArray[Any], speed: npt.NDArray[Any], where: str
) -> npt.NDArray[np.bool_]:
    """The side of `mask` where nothing moves, from the mask, the signed distance and the speed, each [*S].

    Raises SourceError if flow or distance do not decide which side that is.
    """
    if mask.all() or not mask.any():
        raise SourceError(f"{where}: is the same in all cells; expected an object; fetch the geometry again")

    on, off = float(speed[mask].mean()), float(speed[~mask].mean())
    if not min(on, off) <= STILL * max(on, off):
        raise SourceError(
            f"{where}: mean speed {on:.3g} where the mask is set, {off:.3g} elsewhere; expected almost 0 on "
            "one side, the inside of the object; the geometry belongs to another run: fetch both again"
        )

    solid = mask if on < off else ~mask
    shared = max(_shared(solid, distance < 0), _shared(solid, distance > 0))
    if shared < SHARED:
        raise SourceError(
            f"{where}: shares {shared:.0%} of its object with the signed distance, with either sign; "
            "expected nearly all; mask and distance show different objects: fetch the geometry again"
        )

    return solid


def _shared(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    """The cells in both masks as a share of the cells in either; all cells would hide a small object."""
    return float((a & b).sum() / (a | b).sum())


@dataclass(frozen=True)
class _SolidField:
    """The mask as a constant field: 1 in solid cells."""

    stored: ArrayField
    obstacle: _Obstacle

    @property
    def where(self) -> str:
        return self.stored.where

    def frames(self, row: int, start: int, stop: int) -> npt.NDArray[Any]:
        return self.obstacle.solid(row)[None, None]


def _settled(field: StoredField, obstacle: _Obstacle | None) -> StoredField:
    """The mask as decided from the flow (1 is solid); other constant fields as they are."""
    if obstacle is None or not isinstance(field, ArrayField) or field.where != obstacle.mask.where:
        return field
    return _SolidField(field, obstacle)
