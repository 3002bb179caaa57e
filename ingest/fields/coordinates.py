"""Reads the cell centres of each axis, from arrays of the file or from the ends that the recipe states."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ingest.fields.blocks import described_blocks
from ingest.fields.grid import grid_of
from ingest.fields.next_to_the_data import stored_lists
from ingest.formats.arrays import Arrays, whole
from ingest.recipe import Recipe
from shards.errors import SourceError
from shards.schema import Grid

# A meshgrid may be rounded: its lines must agree within this share of their length.
SEPARABLE = 1e-6


def described_grid(file: Arrays, recipe: Recipe, shape: tuple[int, ...]) -> Grid:
    """The grid of this shape, as [coordinates] of the recipe describe it; raises SourceError."""
    centres = (_centres(file, recipe, axis, cells) for axis, cells in zip(recipe.axes, shape, strict=True))
    return grid_of(file.where, recipe.axes, tuple(centres), recipe.kind)


def _centres(file: Arrays, recipe: Recipe, axis: str, cells: int) -> tuple[float, ...]:
    """The centres [L] of an axis; raises SourceError if the recipe does not state them or the file
    differs.
    """
    rule = recipe.coordinates.get(axis)
    if rule is None:
        raise SourceError(
            f"{file.where}: the positions of the {cells} cells of {axis} are not stated; add "
            f"[coordinates.{axis}] to recipe {recipe.name}, with `stored`, or with `lower` and `upper`"
        )

    if not rule.stored:
        _require_not_mirrored(file, axis, cells)
        return rule.centres(cells)

    blocks = described_blocks(file, recipe)
    stored = stored_lists(file, rule.stored, recipe)
    values = [
        blocks.line(each, axis) if blocks and each.ndim == 2 else _line(each, recipe, axis) for each in stored
    ]
    lower, upper = recipe.crop.get(axis, (0, 0))
    values = [line[lower : lower + cells] if len(line) == cells + lower + upper else line for line in values]
    if any(len(line) != cells or not np.array_equal(line, values[0], equal_nan=True) for line in values):
        found = stored[0].shape
        raise SourceError(
            f"{file.where}:{rule.stored}: shape {found}, or not the same for all trajectories; expected "
            f"{cells} cell centres of {axis}; name the array that holds them, or correct the layout if axes "
            "are in another order"
        )

    return tuple(values[0].tolist())


def _line(values: npt.NDArray[np.float64], recipe: Recipe, axis: str) -> npt.NDArray[np.float64]:
    """The centres [L] in a list [L], [L, 1] or [1, L], or in a meshgrid [*S] or [T, *S].

    Empty if the array is none of these, or if a meshgrid changes along another axis too.
    """
    if max(values.shape, default=0) == values.size:
        return values.reshape(-1)

    order = [word for word in recipe.layout.split() if word in recipe.axes]
    # A plane of a volume has an axis of one cell too: [x, y, 1].
    long = tuple(length for length in values.shape if length > 1)
    values = values.reshape(long) if len(long) == len(order) else values
    extra = values.ndim - len(order)
    if axis not in order or extra < 0:
        return np.empty(0)

    # The same for all times, and along the other axes.
    along = np.moveaxis(values, extra + order.index(axis), 0).reshape(
        values.shape[extra + order.index(axis)], -1
    )
    line = along[:, 0]
    tolerance = SEPARABLE * float(np.ptp(line) or 1)
    one_line: bool = bool((np.abs(along - line[:, None]) <= tolerance).all())
    return line if one_line else np.empty(0)


def _require_not_mirrored(file: Arrays, axis: str, cells: int) -> None:
    """Raises SourceError if the stored axis decreases: with `lower` and `upper` the fields would be
    mirrored.
    """
    for name in file.names():
        if name.rpartition("/")[2] != axis:
            continue
        array = file.array(name)
        if array.shape == (cells,) and cells > 1:
            values = whole(array)
            if (np.diff(values) < 0).all():
                raise SourceError(
                    f"{array.where}: decreases, from {values[0]:g} to {values[-1]:g}; lower and upper would "
                    f'mirror the fields; state coordinates.{axis} = {{ stored = "{name}" }}'
                )
