"""Reads files with one array per component, all of one shape [N, T, *S]: N trajectory, T time, S space."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ingest.fields.field_stack import schema_dtype
from ingest.formats import hdf5
from ingest.formats.hdf5_errors import where
from ingest.recipe import Recipe
from shards.errors import SourceError
from shards.schema import Grid, Schema, Sides


@dataclass(frozen=True)
class ComponentField:
    """A variable field with one dataset per component."""

    components: tuple[h5py.Dataset, ...]

    @property
    def where(self) -> str:
        return where(self.components[0])

    def frames(self, row: int, start: int, stop: int) -> npt.NDArray[Any]:
        return np.stack([hdf5.slab(dataset, row, slice(start, stop)) for dataset in self.components], axis=1)


def component_fields(group: h5py.Group, recipe: Recipe) -> tuple[ComponentField, ...]:
    """The fields in the order of the recipe; raises SourceError for one that cannot be stored in this way."""
    for field in recipe.fields:
        expected = len(recipe.axes) ** field.rank
        if field.constant or len(field.stored_names) != expected:
            raise SourceError(
                f"{where(group)}: recipe {recipe.name} says that {field.name} is "
                f"{'constant' if field.constant else 'one array'}; expected {expected} arrays that change "
                "in time; name each in `stored`"
            )
    return tuple(
        ComponentField(tuple(hdf5.numbers(group, name) for name in field.stored_names))
        for field in recipe.fields
    )


def common_shape(group: h5py.Group, fields: Iterable[ComponentField], grid: Grid) -> tuple[int, int]:
    """The lengths N and T of all arrays; raises SourceError if they differ, or if an array is not on
    the grid.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for field in fields:
        shapes |= {dataset.name: dataset.shape for dataset in field.components}
    count_and_steps = {shape[:2] for shape in shapes.values()}
    if len(count_and_steps) > 1 or any(shape[2:] != grid.shape for shape in shapes.values()):
        held = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        space = ", ".join(f"{axis} {length}" for axis, length in zip(grid.axes, grid.shape, strict=True))
        raise SourceError(f"{where(group)}: {held}; expected one shape (trajectory, time, {space}) for all")
    count, steps = count_and_steps.pop()
    return count, steps


def component_schema(
    recipe: Recipe, grid: Grid, sides: tuple[Sides, ...], fields: Iterable[ComponentField]
) -> Schema:
    """The schema of the recipe's fields on this grid, in the type of their datasets."""
    stored: list[np.dtype[Any]] = []
    for field in fields:
        stored += [dataset.dtype for dataset in field.components]
    dtype = schema_dtype(stored, recipe.dtype)
    return Schema(tuple(field.spec for field in recipe.fields), grid, sides, dtype)
