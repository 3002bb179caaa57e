"""Finds the power of two by which a field is divided: the nearest to its RMS in a sample of the train split.

The sample is fixed, so the power is the same in every build (docs/decisions/0001).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby

import numpy as np

from ingest.building.inputs import InputFile
from ingest.recipe import Recipe, RecipeField
from ingest.source import OpenFile, find
from shards.errors import SourceError
from shards.schema import Frames, Schema, Trajectory

SAMPLED_TRAJECTORIES = 16


def sample(
    recipe: Recipe,
    files: tuple[InputFile, ...],
    trajectories: Sequence[Trajectory],
    take: Callable[[OpenFile, Trajectory], None],
) -> None:
    """Calls `take` with each trajectory of the sample and its open file."""
    train = [t for t in trajectories if t.split == "train"] or trajectories
    picked = train[:: math.ceil(len(train) / SAMPLED_TRAJECTORIES)]
    places = {file.path: file.place for file in files}
    for path, group in groupby(picked, key=lambda trajectory: trajectory.origin.file):
        # If a file cannot be read here, its part fails too, leaves it out and gives the reason.
        with suppress(SourceError), find(recipe.source).open_file(places[path], recipe) as opened:
            for trajectory in group:
                take(opened, trajectory)


def powers(
    recipe: Recipe, schema: Schema, files: tuple[InputFile, ...], trajectories: Sequence[Trajectory]
) -> dict[str, int]:
    """Field name to k; stored values are divided by 2^k, the power of two nearest to the sample's RMS."""
    squares: dict[str, list[float]] = {field.name: [] for field in recipe.fields}
    sample(recipe, files, trajectories, partial(_add_frames, squares, recipe, schema))
    return {f.name: _power(squares[f.name]) if f.power is None else f.power for f in recipe.fields}


def _add_frames(
    squares: dict[str, list[float]], recipe: Recipe, schema: Schema, opened: OpenFile, trajectory: Trajectory
) -> None:
    """Adds the first, middle and last frame, and the constant fields."""
    row = trajectory.origin.row
    for frame in sorted({0, trajectory.frames // 2, trajectory.frames - 1}):
        add_squares(squares, recipe.variable, schema, opened.frames(row, frame, frame + 1)[0])
    add_squares(squares, recipe.constant, schema, opened.static(row))


def add_squares(
    squares: dict[str, list[float]], fields: tuple[RecipeField, ...], schema: Schema, values: Frames
) -> None:
    """Adds the mean square of each field of the values [C, *S]."""
    start = 0
    for field in fields:
        stop = start + len(field.spec.components(schema.grid.axes))
        # One k for all components: otherwise vectors would change their direction.
        with np.errstate(over="ignore", invalid="ignore"):
            squares[field.name].append(float(np.mean(np.square(values[start:stop], dtype=np.float64))))
        start = stop


def root_mean(squares: list[float]) -> float:
    """The RMS over these mean squares; those that are not finite do not count; 0 if none is left.

    >>> root_mean([9.0, 16.0, float("nan"), 11.0])
    3.4641016151377544
    """
    finite = [value for value in squares if math.isfinite(value)]
    return math.sqrt(sum(finite) / len(finite)) if finite else 0.0


def _power(squares: list[float]) -> int:
    rms = root_mean(squares)
    return round(math.log2(rms)) if rms > 0 else 0
