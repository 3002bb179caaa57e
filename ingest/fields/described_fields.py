"""Reads a file as its recipe describes it: layout, times, coordinates, boundaries, parameters, masks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.fields.array_field import ArrayField, ArrayWithLayout, Crop, lay_out, require_lengths
from ingest.fields.blocks import BlockGrid, described_blocks
from ingest.fields.cell_faces import CellFaces
from ingest.fields.coordinates import described_grid
from ingest.fields.field_stack import FieldStack, Obstacle, StoredField, schema_dtype, stated_sides
from ingest.fields.grid import require_cells
from ingest.fields.numbers_at import is_outside
from ingest.fields.obstacle import MOVES, described_obstacle
from ingest.fields.run_arrays import OPEN, RunArrays
from ingest.fields.run_headers import HeaderRequest
from ingest.fields.sweep import Sweep, sweep_of
from ingest.fields.times import described_rows
from ingest.fields.units_in_files import notes_on_units
from ingest.formats.arrays import Arrays, AttributedArrays
from ingest.formats.side_lists import split_list_file
from ingest.layout import CHANNEL, TIME, split_channel
from ingest.recipe import Recipe, RecipeField
from ingest.source import Row
from shards.errors import SourceError
from shards.schema import Grid, Schema, side_mask


def described_file(file: AttributedArrays, recipe: Recipe, layout: str) -> FieldStack:
    """The arrays as the recipe describes them, `layout` being that of fields which state none.

    Raises SourceError if file and recipe disagree, or if neither of them states something that is needed.
    """
    fields = described_fields(file, recipe, layout)
    grid = described_grid(file, recipe, fields.shape)
    rows = described_rows(file, recipe, fields.steps, fields.sweep)
    obstacle = described_obstacle(file, recipe, fields.shape, len(fields.steps), fields.sweep)
    if obstacle is not None and obstacle.moves:
        rows = tuple(replace(row, notes=(*row.notes, MOVES)) for row in rows)
    notes = [*_notes_on_faces(recipe), *notes_on_units(file, recipe)]
    rows = tuple(replace(row, notes=(*row.notes, *notes)) for row in rows) if notes else rows
    if obstacle is not None:
        fields = fields.around(obstacle)
    return replace(fields.stacked(grid, rows, obstacle), fill_solid=True, at_once=_at_once(file))


def _notes_on_faces(recipe: Recipe) -> list[str]:
    """What the card says of fields that are means of faces."""
    on_faces = [field.name for field in recipe.fields if field.faces]
    at_rest = [field.name for field in recipe.fields if field.absent_faces == "zero"]
    notes = []
    if on_faces:
        held = ", ".join(on_faces)
        notes.append(f"{held}: means of the two faces of each cell, where the file has the values")
    if at_rest:
        notes.append(f"{', '.join(at_rest)}: zero on faces of walls and solid cells without a value")
    return notes


def _at_once(file: Arrays) -> int | None:
    """The number of frames that are read at once: in a run of files, those of the files that may be open."""
    return OPEN if isinstance(file, RunArrays) and file.files else None


def header_request(recipe: Recipe) -> HeaderRequest:
    """What the recipe needs from each file of a run."""
    fields: dict[str, tuple[str, ...]] = {}
    for field in recipe.fields:
        words = tuple(_layout(field, recipe, recipe.layout).split())
        if TIME in words:
            fields |= {split_channel(name)[0]: words for name in field.stored_names}

    mask = recipe.mask
    if mask is not None and not mask.is_next_to_the_data and TIME in mask.layout.split():
        fields[split_channel(mask.stored)[0]] = tuple(mask.layout.split())
    # What is not in the files is the same for all files of a run.
    named = (rule.stored for rule in recipe.coordinates.values() if rule.stored)
    placed = [place for place in named if not split_list_file(place)]
    if recipe.blocks is not None:
        placed += recipe.blocks.stored
    stored_time = offset = ""
    if recipe.time is not None:
        offset = recipe.time.offset
        stored_time = "" if split_list_file(recipe.time.stored) else recipe.time.stored
    scalars = tuple((name, place) for name, place in recipe.places.items() if not is_outside(place))
    return HeaderRequest(
        fields=tuple(fields.items()),
        coordinates=tuple(placed),
        time=stored_time,
        tiles=recipe.tiles,
        overlap=recipe.overlap,
        offset=offset,
        scalars=scalars,
        axes=recipe.axes,
    )


@dataclass(frozen=True)
class DescribedFields:
    """The fields of the recipe in a file, with the shape of the grid and the frames of each trajectory."""

    where: str
    recipe: Recipe
    fields: dict[str, ArrayField]
    shape: tuple[int, ...]
    steps: tuple[int, ...]
    sweep: Sweep

    def around(self, obstacle: Obstacle) -> DescribedFields:
        """The same fields, with solid cells: faces next to them may have no value."""
        fields = {}
        for name, field in self.fields.items():
            parts = (replace(part, cell_faces=part.cell_faces.around(obstacle)) for part in field.parts)
            fields[name] = ArrayField(tuple(parts))
        return replace(self, fields=fields)

    def stacked(self, grid: Grid, rows: tuple[Row, ...], obstacle: Obstacle | None) -> FieldStack:
        """The open file with these fields, and with the boundaries that the recipe states."""
        sides = stated_sides(self.where, self.recipe)
        stored: list[np.dtype[Any]] = []
        for part in chain.from_iterable(field.parts for field in self.fields.values()):
            stored += [array.dtype for array in part.arrays]
        dtype = schema_dtype(stored, self.recipe.dtype)
        return FieldStack(
            Schema(tuple(field.spec for field in self.recipe.fields), grid, sides, dtype, self.recipe.units),
            rows,
            tuple(self.fields[field.name] for field in self.recipe.variable),
            tuple(_constant(self.fields[field.name]) for field in self.recipe.constant),
            side_mask(grid.shape, sides),
            obstacle,
        )


def described_fields(file: Arrays, recipe: Recipe, layout: str) -> DescribedFields:
    """The fields, checked: they share one grid and have equal numbers of trajectories and frames."""
    blocks = described_blocks(file, recipe)
    fields = {field.name: _field(file, field, recipe, layout, blocks) for field in recipe.fields}
    fields = _with_cell_faces(fields, recipe)
    sweep = sweep_of((part.where, part.swept) for part in _parts(fields.values()))
    fields = {name: _swept(field, sweep) for name, field in fields.items()}
    parts = _parts(fields.values())
    variable = _parts(fields[field.name] for field in recipe.variable)
    shape = tuple(_cells(variable, axis) for axis in recipe.axes)
    require_cells(file.where, recipe.axes, shape)
    require_lengths(parts, shape)
    count = _trajectories(parts)
    if count > 1 and all(part.rows is None for part in variable):
        constant = next(part for part in parts if part.rows is not None)
        raise SourceError(
            f"{constant.where}: only a constant field has the axis n, of length {count}, which would give "
            f"{count} equal trajectories; name the axis t if the field repeats in time"
        )

    steps = tuple(_steps(variable, row) for row in range(count))
    return DescribedFields(file.where, recipe, fields, shape, steps, sweep)


def _parts(fields: Iterable[ArrayField]) -> list[ArrayWithLayout]:
    return list(chain.from_iterable(field.parts for field in fields))


def _swept(field: ArrayField, sweep: Sweep) -> ArrayField:
    return ArrayField(tuple(replace(part, sweep=sweep) for part in field.parts))


def _with_cell_faces(fields: dict[str, ArrayField], recipe: Recipe) -> dict[str, ArrayField]:
    """The fields, with what is known about the faces of their cells."""
    parts = list(chain.from_iterable(field.parts for field in fields.values()))
    cells = {axis: _cells(parts, axis) for axis in recipe.axes}
    found = {}
    for field in recipe.fields:
        held = (_with_faces(part, cells, recipe, field) for part in fields[field.name].parts)
        found[field.name] = ArrayField(tuple(held))
    return found


def _with_faces(
    part: ArrayWithLayout, cells: dict[str, int], recipe: Recipe, field: RecipeField
) -> ArrayWithLayout:
    """The part with its faces; raises SourceError if there are as many as cells, and one face is absent."""
    if not part.faces:
        return part
    as_many = part.length(part.faces) + 1 == cells[part.faces]
    wraps = recipe.is_periodic(part.faces)
    at_rest = field.absent_faces == "zero"
    if as_many and not wraps and not at_rest:
        absent = "upper face of the last" if field.faces_side == "lower" else "lower face of the first"
        raise SourceError(
            f"{part.where}: as many faces as cells along {part.faces}, which is not periodic: the {absent} "
            'cell is absent; for a velocity that is zero on walls, add absent_faces = "zero" to the field; '
            "otherwise add the face to the array, or bring the values to the cells"
        )
    return replace(
        part, cell_faces=CellFaces(field.faces_side if as_many else None, wraps=wraps, at_rest=at_rest)
    )


def _cells(parts: list[ArrayWithLayout], axis: str) -> int:
    """How many cells an axis has: a part that is not on its faces tells it best."""
    return min(parts, key=lambda part: part.faces == axis).length(axis)


def _layout(field: RecipeField, recipe: Recipe, layout: str) -> str:
    """The axes of a field's arrays: its own layout, that of the recipe, or for constants the axes of
    space.
    """
    if field.layout or not field.constant:
        return field.layout or layout
    # A constant field is the same in all trajectories, unless the recipe states a layout.
    words = [word for word in layout.split() if word in recipe.axes]
    whole_vector = field.rank and len(field.stored_names) == 1
    return " ".join([*words, CHANNEL] if whole_vector else words)


def _field(
    file: Arrays, field: RecipeField, recipe: Recipe, layout: str, blocks: BlockGrid | None
) -> ArrayField:
    """The arrays of a field; raises SourceError if their number of components does not match its rank."""
    layout = _layout(field, recipe, layout)
    names = field.stored_names
    faces = field.faces or ("",) * len(names)
    parts = tuple(
        replace(lay_out(file, name, layout, recipe.axes, _crop(field, axis, recipe), blocks), faces=axis)
        for name, axis in zip(names, faces, strict=True)
    )
    expected, found = len(field.spec.components(recipe.axes)), sum(part.components for part in parts)
    if found != expected:
        raise SourceError(
            f"{parts[0].where}: holds {found} components; field {field.name} of rank {field.rank} has "
            f"{expected}; name a channel as `name[0]`, or correct rank or layout"
        )
    return ArrayField(parts)


def _crop(field: RecipeField, faces: str, recipe: Recipe) -> Crop:
    """The cells to cut from a component on these faces.

    If one array holds the components on the faces of all axes, each is as long as the longest, and filled up
    behind its last value (docs/decisions/0162). If faces at walls are absent, all are as long as the cells.
    """
    arrays = {split_channel(name)[0] for name in field.stored_names}
    is_filled_up = len(arrays) == 1 and len(set(field.faces)) > 1 and field.absent_faces == "refuse"
    if not is_filled_up:
        return recipe.crop
    found = dict(recipe.crop)
    for axis in field.faces:
        if axis != faces and not recipe.is_periodic(axis):
            lower, upper = found.get(axis, (0, 0))
            found[axis] = (lower, upper + 1)
    return found


def _constant(field: ArrayField) -> StoredField:
    """A constant field; if its arrays repeat it in time, it is checked to be constant."""
    return RepeatedField(field) if any(TIME in part.layout for part in field.parts) else field


@dataclass(frozen=True)
class RepeatedField:
    """A constant field that is stored once per frame; satisfies ingest.fields.field_stack.StoredField."""

    stored: ArrayField

    @property
    def where(self) -> str:
        return self.stored.where

    def frames(self, row: int, start: int, stop: int) -> npt.NDArray[Any]:
        """The field [1, C, *S]; raises SourceError for the first frame that differs."""
        first = self.stored.frames(row, 0, 1)
        part = next(part for part in self.stored.parts if TIME in part.layout)
        for frame in range(1, part.length(TIME, row)):
            if not np.array_equal(self.stored.frames(row, frame, frame + 1), first, equal_nan=True):
                raise SourceError(
                    f"{self.where}: row {row}: changes in frame {frame}; expected a constant field; remove "
                    "constant = true"
                )
        return first


def _trajectories(parts: Iterable[ArrayWithLayout]) -> int:
    counts = {part.where: part.rows for part in parts if part.rows is not None}
    if len(set(counts.values())) > 1:
        held = ", ".join(f"{where} {count}" for where, count in counts.items())
        raise SourceError(
            f"{next(iter(counts))}: arrays differ in their number of trajectories ({held}); fix the file"
        )
    return next(iter(counts.values()), 1)


def _steps(variable: list[ArrayWithLayout], row: int) -> int:
    lengths = {part.where: part.length(TIME, row) for part in variable}
    if len(set(lengths.values())) > 1:
        held = ", ".join(f"{where} {length}" for where, length in lengths.items())
        raise SourceError(
            f"{next(iter(lengths))}: row {row}: arrays differ in their frames ({held}); fix the file"
        )
    return next(iter(lengths.values()))
