"""A file that only its recipe describes: layout, times, coordinates, boundaries, parameters and masks from
there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ingest.fields.grid import grid_of, require_cells
from ingest.fields.laid_out import LaidOut, LaidOutField, find_arrays, lay_out, require_lengths
from ingest.fields.stacked import Obstacle, StackedFile, schema_dtype, stated_sides
from ingest.formats.arrays import Arrays, whole
from ingest.layout import CHANNEL, TIME, MaskRule
from ingest.recipe import Recipe, RecipeField
from ingest.source import Row
from shards.errors import SourceError
from shards.schema import Grid, Schema, side_mask


def described_file(file: Arrays, recipe: Recipe, layout: str) -> StackedFile:
    """The arrays as the recipe describes them, `layout` being that of fields which state none.

    Raises SourceError where file and description disagree, or the recipe leaves open what the file cannot
    tell.
    """
    fields = described_fields(file, recipe, layout)
    grid = described_grid(file, recipe, fields.shape)
    rows = described_rows(file, recipe, fields.steps)
    obstacle = _obstacle(file, recipe, fields.shape, len(fields.steps))
    return fields.stacked(grid, rows, obstacle)


@dataclass(frozen=True)
class DescribedFields:
    """The recipe's fields as found: the cells of the grid, and the frames of each trajectory."""

    where: str
    recipe: Recipe
    fields: dict[str, LaidOutField]
    shape: tuple[int, ...]
    steps: tuple[int, ...]

    def stacked(self, grid: Grid, rows: tuple[Row, ...], obstacle: Obstacle | None) -> StackedFile:
        """The file, closed on its sides as the recipe states."""
        sides = stated_sides(self.where, self.recipe)
        stored = (
            array.dtype for field in self.fields.values() for part in field.parts for array in part.arrays
        )
        return StackedFile(
            Schema(
                tuple(f.spec for f in self.recipe.fields),
                grid,
                sides,
                schema_dtype(stored, self.recipe.dtype),
            ),
            rows,
            tuple(self.fields[field.name] for field in self.recipe.variable),
            tuple(self.fields[field.name] for field in self.recipe.constant),
            side_mask(grid.shape, sides),
            obstacle,
        )


def described_fields(file: Arrays, recipe: Recipe, layout: str) -> DescribedFields:
    """The fields, proven to lie on one grid and to have as many trajectories and frames."""
    fields = {field.name: _field(file, field, recipe, layout) for field in recipe.fields}
    parts = [part for field in fields.values() for part in field.parts]
    variable = [part for field in recipe.variable for part in fields[field.name].parts]
    shape = tuple(variable[0].length(axis) for axis in recipe.axes)
    require_cells(file.where, recipe.axes, shape)
    require_lengths(parts, shape)
    steps = tuple(_steps(variable, row) for row in range(_trajectories(parts)))
    return DescribedFields(file.where, recipe, fields, shape, steps)


def _field(file: Arrays, field: RecipeField, recipe: Recipe, layout: str) -> LaidOutField:
    """Raises SourceError where the arrays do not hold as many components as the field's rank asks for."""
    if field.layout:
        layout = field.layout
    elif field.constant:
        # One state for all trajectories, unless the recipe says otherwise.
        whole_vector = field.rank and len(field.stored_names) == 1
        layout = " ".join(
            [*(word for word in layout.split() if word in recipe.axes), *([CHANNEL] * bool(whole_vector))]
        )
    parts = tuple(lay_out(file, name, layout, recipe.axes) for name in field.stored_names)
    expected, found = len(field.spec.components(recipe.axes)), sum(part.components for part in parts)
    if found != expected:
        raise SourceError(
            f"{parts[0].where}: holds {found} components; field {field.name} of rank {field.rank} has "
            f"{expected}; name a channel as `name[0]`, or correct rank or layout"
        )
    return LaidOutField(parts)


def _trajectories(parts: Iterable[LaidOut]) -> int:
    counts = {part.where: part.rows for part in parts if part.rows is not None}
    if len(set(counts.values())) > 1:
        held = ", ".join(f"{where} {count}" for where, count in counts.items())
        raise SourceError(
            f"{next(iter(counts))}: arrays differ in their number of trajectories ({held}); fix the file"
        )
    return next(iter(counts.values()), 1)


def described_grid(file: Arrays, recipe: Recipe, shape: tuple[int, ...]) -> Grid:
    """The cells of a grid of this shape, as the recipe's [coordinates] say."""
    centres = (_centres(file, recipe, axis, cells) for axis, cells in zip(recipe.axes, shape, strict=True))
    return grid_of(file.where, recipe.axes, tuple(centres), recipe.kind)


def _centres(file: Arrays, recipe: Recipe, axis: str, cells: int) -> tuple[float, ...]:
    rule = recipe.coordinates.get(axis)
    if rule is None:
        raise SourceError(
            f"{file.where}: nothing says where the {cells} cells of {axis} are; state it as "
            f"[coordinates.{axis}] in recipe {recipe.name}, by `stored`, or by `lower` and `upper`"
        )
    if not rule.stored:
        return rule.centres(cells)
    values = [whole(array) for array in find_arrays(file, rule.stored)]
    if any(each.shape != (cells,) or not np.array_equal(each, values[0], equal_nan=True) for each in values):
        raise SourceError(
            f"{file.where}:{rule.stored}: shape {values[0].shape}, or not the same for all trajectories; "
            f"expected {cells} cell centres of {axis}; describe them by lower and upper instead"
        )
    return tuple(values[0].tolist())


def described_rows(file: Arrays, recipe: Recipe, steps: tuple[int, ...]) -> tuple[Row, ...]:
    """Times and parameters of each trajectory, as the recipe's [time] and [scalars] say."""
    columns = {name: _scalar(file, place, len(steps)) for name, place in recipe.scalars.items()}
    times = _times(file, recipe, steps)
    return tuple(
        Row(time, {name: values[row] for name, values in columns.items()}) for row, time in enumerate(times)
    )


def _steps(variable: list[LaidOut], row: int) -> int:
    lengths = {part.where: part.length(TIME, row) for part in variable}
    if len(set(lengths.values())) > 1:
        held = ", ".join(f"{where} {length}" for where, length in lengths.items())
        raise SourceError(
            f"{next(iter(lengths))}: row {row}: arrays differ in their frames ({held}); fix the file"
        )
    return next(iter(lengths.values()))


def _times(file: Arrays, recipe: Recipe, steps: tuple[int, ...]) -> list[tuple[float, ...]]:
    rule = recipe.time
    if rule is None:
        raise SourceError(
            f"{file.where}: nothing says when the frames are; state it as [time] in recipe {recipe.name}, by "
            "`stored`, by `step`, or by `stop`"
        )
    if not rule.stored:
        return [rule.times(frames) for frames in steps]
    stored = [whole(array) for array in find_arrays(file, rule.stored)]
    lists = list(stored[0]) if len(stored) == 1 and stored[0].ndim == 2 else stored
    lists = lists * len(steps) if len(lists) == 1 else lists
    if [each.shape for each in lists] != [(frames,) for frames in steps]:
        raise SourceError(
            f"{file.where}:{rule.stored}: shape {stored[0].shape}; expected one time a frame, {steps[0]}, "
            f"for each of {len(steps)} trajectories; state step or stop instead"
        )
    return [tuple(each.tolist()) for each in lists]


def _scalar(file: Arrays, place: str, count: int) -> list[float]:
    """One value for all trajectories, or one for each."""
    path, at, attribute = place.partition("@")
    if at:
        value = file.attribute(path, attribute)
        if value is None:
            raise SourceError(
                f"{file.where}:{path}: no attribute {attribute}; correct [scalars] of the recipe"
            )
        return [value] * count
    values = np.concatenate([whole(array).reshape(-1) for array in find_arrays(file, path)])
    if values.size not in (1, count):
        raise SourceError(
            f"{file.where}:{path}: {values.size} values; expected one, or one for each of {count} "
            "trajectories; correct [scalars] of the recipe"
        )
    return [float(value) for value in np.broadcast_to(values, (count,))]


@dataclass(frozen=True)
class _Obstacle:
    """An array that tells solid cells, and how."""

    rule: MaskRule
    stored: LaidOut

    def solid(self, row: int) -> npt.NDArray[np.bool_]:
        values = self.stored.frames(row, 0, 1)[0, 0]
        if np.isnan(values).any():
            raise SourceError(
                f"{self.stored.where}: not a number in {np.isnan(values).sum()} cells; expected a mask; "
                "fix the file"
            )
        kinds = {"nonzero": values != 0, "zero": values == 0, "negative": values < 0, "positive": values > 0}
        solid: npt.NDArray[np.bool_] = kinds[self.rule.solid]
        if not solid.any() or solid.all():
            raise SourceError(
                f"{self.stored.where}: {'all' if solid.all() else 'none'} of the cells are "
                f"{self.rule.solid}, so solid; expected some; correct `solid` of the recipe's [mask]"
            )
        return solid


def _obstacle(file: Arrays, recipe: Recipe, shape: tuple[int, ...], count: int) -> _Obstacle | None:
    if recipe.mask is None:
        return None
    layout = recipe.mask.layout or " ".join(word for word in recipe.layout.split() if word in recipe.axes)
    stored = lay_out(file, recipe.mask.stored, layout, recipe.axes)
    require_lengths((stored,), shape)
    if stored.rows not in (None, count) or stored.components != 1:
        raise SourceError(
            f"{stored.where}: {stored.rows} masks of {stored.components} channels; expected one for all, or "
            f"one for each of {count} trajectories; correct the layout of the recipe's [mask]"
        )
    return _Obstacle(recipe.mask, stored)
