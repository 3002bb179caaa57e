"""Where the cells of each axis are: as the recipe says, from arrays of the file or from the ends of the
axis.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ingest.fields.blocks import described_blocks
from ingest.fields.grid import grid_of
from ingest.fields.numbers_at import find_arrays
from ingest.formats.arrays import Arrays, whole
from ingest.recipe import Recipe
from shards.errors import SourceError
from shards.schema import Grid

# A meshgrid may be rounded: its lines are one line to this part of their length.
SEPARABLE = 1e-6


def described_grid(file: Arrays, recipe: Recipe, shape: tuple[int, ...]) -> Grid:
    """The cells of a grid of this shape, as the recipe's [coordinates] say."""
    centres = (_centres(file, recipe, axis, cells) for axis, cells in zip(recipe.axes, shape, strict=True))
    return grid_of(file.where, recipe.axes, tuple(centres), recipe.kind)


def _centres(file: Arrays, recipe: Recipe, axis: str, cells: int) -> tuple[float, ...]:
    """Cell centres [L] of an axis; raises SourceError where the recipe does not say, or the file differs."""
    rule = recipe.coordinates.get(axis)
    if rule is None:
        raise SourceError(
            f"{file.where}: nothing says where the {cells} cells of {axis} are; state it as "
            f"[coordinates.{axis}] in recipe {recipe.name}, by `stored`, or by `lower` and `upper`"
        )
    if not rule.stored:
        _require_not_mirrored(file, axis, cells)
        return rule.centres(cells)
    blocks = described_blocks(file, recipe)
    stored = [whole(array) for array in find_arrays(file, rule.stored)]
    values = [
        blocks.line(each, axis) if blocks and each.ndim == 2 else _line(each, recipe, axis) for each in stored
    ]
    lower, upper = recipe.crop.get(axis, (0, 0))
    values = [line[lower : lower + cells] if len(line) == cells + lower + upper else line for line in values]
    if any(len(line) != cells or not np.array_equal(line, values[0], equal_nan=True) for line in values):
        found = find_arrays(file, rule.stored)[0].shape
        raise SourceError(
            f"{file.where}:{rule.stored}: shape {found}, or not the same for all trajectories; expected "
            f"{cells} cell "
            f"centres of {axis}; name the array that has them, or correct the layout if axes are in another "
            "order"
        )
    return tuple(values[0].tolist())


def _line(values: npt.NDArray[np.float64], recipe: Recipe, axis: str) -> npt.NDArray[np.float64]:
    """Centres [L] of a list [L], [L, 1] or [1, L], or of a meshgrid [*S] or [T, *S] that changes along
    `axis` alone.

    Empty where the array is none of these.
    """
    if max(values.shape, default=0) == values.size:
        return values.reshape(-1)
    order = [word for word in recipe.layout.split() if word in recipe.axes]
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
    """Raises SourceError where the file stores an axis that runs downwards: `lower` and `upper` would turn
    it over.
    """
    for name in file.names():
        if name.rpartition("/")[2] != axis:
            continue
        array = file.array(name)
        if array.shape == (cells,) and cells > 1:
            first, last = whole(array)[[0, -1]]
            if first > last:
                raise SourceError(
                    f"{array.where}: runs downwards, from {first:g} to {last:g}; lower and upper would "
                    "mirror the "
                    f'fields; state coordinates.{axis} = {{ stored = "{name}" }}'
                )
