"""Reads BubbleML (boiling): one file per simulation, arrays [T, y, x] at its root, no groups, no attributes.

Version 2 is float32 with cell centres as `x_centers`, and parameters as JSON next to the file. Version 1 is
float64 with `x` and `y` repeated for every frame and cell, and parameters as records in the file. Boundary
cells are not stored: the recipe states the boundaries, and parameters that contradict it are refused. T time.
Source: the benchmark's documentation and writers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import numpy as np

from ingest.fields.coordinates import described_grid
from ingest.fields.described_fields import described_fields
from ingest.fields.field_stack import FieldStack, refuse_unread_keys, require_fields
from ingest.fields.grid import grid_of
from ingest.formats.arrays import Array, Hdf5Arrays, open_hdf5_arrays, whole
from ingest.recipe import Recipe
from ingest.source import Mark, Row
from ingest.sources._bubbleml_parameters import (
    RECORDS,
    Parameters,
    parameters_next_to,
    read_parameters,
    sides,
    wall_temperature,
)
from shards.errors import SourceError
from shards.schema import Grid, Split

PATTERNS = ("Twall_*.hdf5", "Twall-*.hdf5")
MARKS = (
    Mark("the signed distance to the interface", ("dfun",)),
    Mark("velocity by component", ("velx",)),
    Mark("temperature", ("temperature",)),
)


def split(path: Path) -> Split | None:
    """None: the benchmark holds out simulations by temperature, in each study others."""
    return None


def companions(path: Path) -> tuple[Path, ...]:
    """The file of the parameters, if there is one."""
    parameters = parameters_next_to(path)
    return () if parameters is None else (parameters,)


@contextmanager
def open_file(path: Path, recipe: Recipe) -> Iterator[FieldStack]:
    """Opens a file as the recipe describes it; raises SourceError if times, cells or parameters are
    unknown.
    """
    refuse_unread_keys(recipe, "layout", "time", "coordinates", "scalars")
    with open_hdf5_arrays(path) as arrays:
        parameters = read_parameters(arrays.file, path)
        coordinates = set(map("".join, product(recipe.axes, ("", "_centers", "_faces"))))
        require_fields(arrays.where, set(arrays.names()) - coordinates - set(RECORDS), recipe)
        fields = described_fields(arrays, recipe, recipe.layout or " ".join(("t", *reversed(recipe.axes))))
        _require_boundaries(path, recipe, parameters)
        grid = _grid(arrays, recipe, fields.shape)
        row = Row(_times(path, recipe, parameters, fields.steps[0]), _scalars(path, recipe, parameters))
        yield fields.stacked(grid, (row,), None)


def _grid(arrays: Hdf5Arrays, recipe: Recipe, shape: tuple[int, ...]) -> Grid:
    """The grid of the recipe if it states one, otherwise that of the file."""
    if recipe.coordinates:
        return described_grid(arrays, recipe, shape)
    names = arrays.names()
    centres = []
    for index, axis in enumerate(recipe.axes):
        stored = next((name for name in (f"{axis}_centers", axis) if name in names), None)
        if stored is None:
            raise SourceError(
                f"{arrays.where}: holds no {axis}_centers; expected the cells of {axis}; state them as "
                f"[coordinates.{axis}] in recipe {recipe.name}, by lower and upper"
            )
        centres.append(_centres(arrays.array(stored), recipe.axes, index, shape))
    return grid_of(arrays.where, recipe.axes, tuple(centres), recipe.kind)


def _centres(array: Array, axes: tuple[str, ...], index: int, shape: tuple[int, ...]) -> tuple[float, ...]:
    """The centres [L] of an axis, from a list [L] or from an array [T, *reversed S] that repeats it."""
    if array.shape == (shape[index],):
        return tuple(whole(array).tolist())
    if array.shape[1:] == shape[::-1]:
        first = np.moveaxis(array.slab(0, *(slice(None) for _ in shape)).T, index, 0).reshape(
            shape[index], -1
        )
        if (first == first[:, :1]).all():
            return tuple(first[:, 0].astype(np.float64).tolist())
    raise SourceError(
        f"{array.where}: shape {array.shape}, or not the same along other axes; expected {shape[index]} "
        f"cell centres of {axes[index]}; state them in the recipe"
    )


def _times(path: Path, recipe: Recipe, parameters: Parameters, frames: int) -> tuple[float, ...]:
    """The times of the recipe, otherwise from `t_initial`, `t_final` and `dt`; raises SourceError if
    these differ.
    """
    if recipe.time is not None and not recipe.time.stored:
        return recipe.time.times(frames)
    known = [parameters.get(name) for name in ("t_initial", "t_final", "dt")]
    start, stop, step = (value if isinstance(value, float) else np.nan for value in known)
    # Either both ends are stored, or one of them is left out.
    if not any(np.isclose(count * step, stop - start, rtol=1e-3) for count in (frames - 1, frames)):
        raise SourceError(
            f"{path}: {frames} frames; its parameters say t_initial {known[0]}, t_final {known[1]}, dt "
            f"{known[2]}, which do not give as many; state [time] in recipe {recipe.name}"
        )
    return tuple((start + np.arange(frames) * step).tolist())


def _scalars(path: Path, recipe: Recipe, parameters: Parameters) -> dict[str, float]:
    """The parameters that the recipe names, and the wall temperature, which only the file name states."""
    temperature = wall_temperature(path)
    scalars = {} if temperature is None else {"Twall": temperature}
    for name, place in recipe.scalars.items():
        value = parameters.get(place)
        if not isinstance(value, float) or not np.isfinite(value):
            raise SourceError(
                f"{path}: its parameters state {value} as {place}, expected a number; found "
                f"{', '.join(sorted(parameters)[:12]) or 'no JSON next to it'}; correct [scalars] of the "
                "recipe"
            )
        scalars[name] = value
    return scalars


def _require_boundaries(path: Path, recipe: Recipe, parameters: Parameters) -> None:
    """Raises SourceError if parameters and recipe state different boundaries; a [correction] is obeyed."""
    for axis in recipe.axes:
        found, stated = sides(parameters, axis), recipe.sides(axis)
        if found is not None and recipe.corrected(axis) is None and stated not in (None, found):
            words = f"{found[0].name.lower()} below and {found[1].name.lower()} above"
            raise SourceError(
                f"{path}: its parameters make axis {axis} {words}; recipe {recipe.name} says otherwise; "
                "name the recipe of this file, or overrule it in a [correction] with its reason"
            )
