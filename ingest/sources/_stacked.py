"""Fields of one file, stacked into frames [T, C, *S] in the order and type of the schema."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ingest.recipe import Recipe
from ingest.source import Row, require_frames
from shards.errors import SourceError
from shards.spec import DType, Frames, Mask, Schema


class StoredField(Protocol):
    """One field as a file holds it."""

    @property
    def where(self) -> str:
        """`file:/dataset`, for errors."""
        ...

    def frames(self, row: int, start: int, stop: int) -> npt.NDArray[Any]:
        """[stop - start, C, *S], axes in order, in any numeric type; a constant field gives its one state."""
        ...


@dataclass(frozen=True)
class StackedFile:
    """An open file whose fields are read apart and stacked; satisfies ingest.source.OpenFile."""

    schema: Schema
    rows: tuple[Row, ...]
    variable: tuple[StoredField, ...]
    constant: tuple[StoredField, ...]
    mask: Mask

    def frames(self, row: int, start: int, stop: int) -> Frames:
        require_frames(self.rows, row, start, stop)
        return self._stack(self.variable, self.schema.frame_shape, row, start, stop)

    def static(self, row: int) -> Frames:
        require_frames(self.rows, row, 0, 0)
        only: Frames = self._stack(self.constant, self.schema.static_shape, row, 0, 1)[0]
        return only

    def boundary(self, row: int) -> Mask:
        require_frames(self.rows, row, 0, 0)
        return self.mask.copy()

    def _stack(
        self, fields: tuple[StoredField, ...], shape: tuple[int, ...], row: int, start: int, stop: int
    ) -> Frames:
        out = np.empty((stop - start, *shape), self.schema.dtype)
        channel = 0
        for field in fields:
            values = field.frames(row, start, stop)
            until = channel + values.shape[1]
            out[:, channel:until] = convert(values, self.schema.dtype, field.where)
            channel = until
        return out


def schema_dtype(stored: Iterable[np.dtype[Any]], asked: Literal["source", "float32"]) -> DType:
    """float64 where a field is float64 and the recipe keeps the precision of the source; float32 otherwise."""
    double = any(dtype.kind == "f" and dtype.itemsize == 8 for dtype in stored)
    return "float64" if double and asked == "source" else "float32"


def convert(values: npt.NDArray[Any], dtype: DType, where: str) -> Frames:
    """The values in `dtype`; raises SourceError where a finite float becomes infinite, an integer inexact.

    float16, float32 and small integers are exact; float64 is rounded to float32 where the recipe asked for it.
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
            f"{where}: {np.count_nonzero(lost)} values, first {values[lost][0]}, are too large for {dtype}; {remedy}"
        )
    return result


def require_fields(where: str, found: Iterable[str], recipe: Recipe) -> None:
    """Raises SourceError unless the file holds the recipe's fields, all of them and no others."""
    stored, wanted = set(found), {name for field in recipe.fields for name in field.stored_names}
    faults = [
        f"{fault} {', '.join(sorted(names))}"
        for fault, names in (("lacks", wanted - stored), ("has beside the recipe", stored - wanted))
        if names
    ]
    if faults:
        raise SourceError(
            f"{where}: {' and '.join(faults)}; expected the fields {', '.join(sorted(wanted))} of recipe "
            f"{recipe.name}; correct its fields, or name the recipe of this file"
        )
