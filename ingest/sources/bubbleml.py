"""BubbleML, boiling: one file per simulation, arrays [T, y, x] at its root, neither groups nor attributes.

Version 2 is float32 with cell centres as `x_centers`, parameters as JSON next to it. Version 1 is float64,
`x` and `y` repeated for every frame and cell, its parameters as records in the file. Boundary cells are not
stored: the boundaries are in the recipe, and parameters that contradict it are refused. T time.
Source: the benchmark's documentation and writers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import numpy as np

from ingest.fields.coordinates import described_grid
from ingest.fields.described import described_fields
from ingest.fields.grid import grid_of
from ingest.fields.stacked import StackedFile, refuse_unread_keys, require_fields
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
    """The benchmark holds out simulations by temperature, each study others."""
    return None


def companions(path: Path) -> tuple[Path, ...]:
    """The parameters, if they are in a file of their own."""
    parameters = parameters_next_to(path)
    return () if parameters is None else (parameters,)


@contextmanager
def open_file(path: Path, recipe: Recipe) -> Iterator[StackedFile]:
    """A BubbleML file as the recipe sees it; raises SourceError where times, cells or parameters stay
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
    """The recipe's cells where it states them, else the file's."""
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
    """[L], or [T, *reversed S] with the same value along all axes but its own."""
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
    """The recipe's times, else from `t_initial`, `t_final` and `dt`, believed only where they agree."""
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
    """The recipe's choice of parameters, and the wall temperature, which is only in the file name."""
    temperature = wall_temperature(path)
    scalars = {} if temperature is None else {"Twall": temperature}
    for name, place in recipe.scalars.items():
        value = parameters.get(place)
        if not isinstance(value, float) or not np.isfinite(value):
            raise SourceError(
                f"{path}: its parameters give {value} as {place}; expected a number; there is "
                f"{', '.join(sorted(parameters)[:12]) or 'no JSON next to it'}; correct the "
                "recipe's [scalars]"
            )
        scalars[name] = value
    return scalars


def _require_boundaries(path: Path, recipe: Recipe, parameters: Parameters) -> None:
    """A correction overrules the parameters; a plain statement does not."""
    for axis in recipe.axes:
        found, stated = sides(parameters, axis), recipe.sides(axis)
        if found is not None and recipe.corrected(axis) is None and stated not in (None, found):
            words = f"{found[0].name.lower()} below and {found[1].name.lower()} above"
            raise SourceError(
                f"{path}: its parameters make axis {axis} {words}; recipe {recipe.name} says otherwise; "
                "name the recipe of this file, or overrule it in a [correction] with its reason"
            )
