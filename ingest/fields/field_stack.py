"""Stacks the fields of a file into frames [T, C, *S], in the order and type of the schema."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ingest.layout import split_channel
from ingest.recipe import Recipe
from ingest.source import Row, require_frames
from shards.errors import SettingsError, SourceError
from shards.schema import Cell, DType, Frames, Mask, Schema, Sides

# The value that is stored in solid cells with NaN.
FILL = 0.0


class StoredField(Protocol):
    """One field of a file."""

    @property
    def where(self) -> str:
        """`file:/dataset`, for errors."""
        ...

    def frames(self, row: int, start: int, stop: int) -> npt.NDArray[Any]:
        """The frames [stop - start, C, *S] in any numeric type; a constant field gives its only state."""
        ...


class Obstacle(Protocol):
    """The solid cells of each trajectory inside the box."""

    def solid(self, row: int) -> npt.NDArray[np.bool_]:
        """The solid cells [*S] of a trajectory."""
        ...


@dataclass(frozen=True)
class FieldStack:
    """An open file that reads its fields one by one and stacks them; satisfies ingest.source.OpenFile."""

    schema: Schema
    rows: tuple[Row, ...]
    variable: tuple[StoredField, ...]
    constant: tuple[StoredField, ...]
    mask: Mask
    obstacle: Obstacle | None = None
    # Whether NaN in solid cells is replaced by FILL.
    fill_solid: bool = False
    # The number of frames that are read of one field before the next field; None for all.
    at_once: int | None = None

    def frames(self, row: int, start: int, stop: int) -> Frames:
        require_frames(self.rows, row, start, stop)
        values = self._stack(self.variable, self.schema.frame_shape, row, start, stop)
        return self._filled(values, row)

    def static(self, row: int) -> Frames:
        require_frames(self.rows, row, 0, 0)
        only: Frames = self._filled(self._stack(self.constant, self.schema.static_shape, row, 0, 1), row)[0]
        return only

    def boundary(self, row: int) -> Mask:
        require_frames(self.rows, row, 0, 0)
        cells = self.mask.copy()
        if self.obstacle is not None:
            cells[self.obstacle.solid(row)] |= np.uint8(Cell.OBSTACLE)
        return cells

    def _filled(self, values: Frames, row: int) -> Frames:
        """The values [T, C, *S] with FILL for NaN in solid cells; the checks report NaN in other cells."""
        if self.fill_solid and self.obstacle is not None:
            absent = np.isnan(values)
            if absent.any():
                values[absent & self.obstacle.solid(row)] = FILL
        return values

    def _stack(
        self, fields: tuple[StoredField, ...], shape: tuple[int, ...], row: int, start: int, stop: int
    ) -> Frames:
        """The frames [T, C, *S] of these fields, one field after the other, in the type of the schema."""
        out = np.empty((stop - start, *shape), self.schema.dtype)
        for first in range(start, stop, self.at_once or max(1, stop - start)):
            last = min(stop, first + (self.at_once or stop - start))
            channel = 0
            for field in fields:
                values = field.frames(row, first, last)
                until = channel + values.shape[1]
                out[first - start : last - start, channel:until] = convert(
                    values, self.schema.dtype, field.where
                )
                channel = until
        return out


def schema_dtype(stored: Iterable[np.dtype[Any]], asked: Literal["source", "float32"]) -> DType:
    """float64 if a field is float64 and the recipe keeps the precision of the source; otherwise float32."""
    double = any(dtype.kind == "f" and dtype.itemsize == 8 for dtype in stored)
    return "float64" if double and asked == "source" else "float32"


def convert(values: npt.NDArray[Any], dtype: DType, where: str) -> Frames:
    """Converts values to `dtype`; raises SourceError if a finite float becomes infinite or an integer
    inexact.

    float16, float32 and small integers stay exact; float64 is rounded to float32 if the recipe asks for it.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        result: Frames = values.astype(dtype, copy=False)

    if values.dtype == dtype:
        return result

    if values.dtype.kind == "f":
        lost = np.isinf(result) & np.isfinite(values)
        remedy = 'set dtype = "source" in the recipe'
    else:
        whole = 2 ** (np.finfo(dtype).nmant + 1)
        lost = (values > whole) | (values < -whole)
        remedy = "store the field as floating point"

    if lost.any():
        raise SourceError(
            f"{where}: {np.count_nonzero(lost)} values, first {values[lost][0]}, are too large for {dtype}; "
            f"{remedy}"
        )

    return result


def refuse_unread_keys(recipe: Recipe, *read_keys: str) -> None:
    """Raises SettingsError if the recipe describes arrays by a key that its source does not read."""
    stated: dict[str, object] = {
        "layout": recipe.layout or any(field.layout for field in recipe.fields),
        "time": recipe.time,
        "coordinates": recipe.coordinates,
        "scalars": recipe.scalars,
        "mask": recipe.mask,
    }
    ignored = [key for key, value in stated.items() if value and key not in read_keys]
    if ignored:
        raise SettingsError(
            f"recipe {recipe.name}: source {recipe.source} does not use {' and '.join(ignored)}: it reads "
            'this from the file; remove it from the recipe, or set source = "arrays"'
        )


def stated_sides(where: str, recipe: Recipe) -> tuple[Sides, ...]:
    """The sides (lower, upper) of each axis, for a file that does not state them; they are never guessed.

    Raises SourceError if the recipe does not state the boundaries of an axis.
    """
    sides = {axis: recipe.sides(axis) for axis in recipe.axes}
    silent = [axis for axis, pair in sides.items() if pair is None]
    if silent:
        raise SourceError(
            f"{where}: no boundary is stated for {' and '.join(silent)}; add it to [boundaries] of recipe "
            f'{recipe.name}, such as {silent[0]} = ["wall", "open"]'
        )
    return tuple(pair for pair in sides.values() if pair is not None)


def require_fields(where: str, found: Iterable[str], recipe: Recipe) -> None:
    """Raises SourceError unless the file holds exactly the fields of the recipe, and those in `leave_out`."""
    wanted = {split_channel(name)[0] for name in recipe.stored_names}
    stored = set(found) - (set(recipe.leave_out) - wanted)
    faults = [
        f"{fault} {', '.join(sorted(names))}"
        for fault, names in (("lacks", wanted - stored), ("has in addition to the recipe", stored - wanted))
        if names
    ]
    if faults:
        raise SourceError(
            f"{where}: {' and '.join(faults)}; expected the fields {', '.join(sorted(wanted))} of recipe "
            f"{recipe.name}; correct its fields or leave_out, or name the recipe of this file"
        )
