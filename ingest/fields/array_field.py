"""Reads arrays with axes named by a recipe as frames: N trajectory, T time, C component, S space."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.fields.blocks import BlockGrid, join_blocks
from ingest.fields.cell_faces import CellFaces
from ingest.fields.numbers_at import find_arrays
from ingest.fields.run_arrays import RunArrays
from ingest.fields.series import SINGLE, SeriesPiece, joined, rows_of_steps
from ingest.fields.sweep import Sweep
from ingest.formats.arrays import Array, Arrays, SlabIndex
from ingest.layout import (
    CHANNEL,
    SINGLE_CELL,
    TIME,
    TRAJECTORY,
    numbered,
    split_channel,
    swept_axis,
)
from ingest.name_pattern import names_parts
from shards.errors import SourceError

Crop = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class ArrayWithLayout:
    """The stored array of a field, or with a `*` in its path one array per trajectory.

    `layout` names its axes, `axes` is the order of the axes of space in frames, `channel` selects one index
    of the axis c.
    """

    arrays: tuple[Array, ...]
    layout: tuple[str, ...]
    axes: tuple[str, ...]
    channel: int | None
    # The cells that are cut off at the lower and upper end of each axis.
    crop: Crop = field(default_factory=dict)
    # The axis on whose faces the values are, if any, and how the cells take them.
    faces: str = ""
    cell_faces: CellFaces = field(default_factory=CellFaces)
    # The lengths of several axes of trajectories; `layout` then has n1, n2, ... in place of n.
    sweep: Sweep = field(default_factory=Sweep)

    @property
    def where(self) -> str:
        return self.arrays[0].where

    @property
    def rows(self) -> int | None:
        """The number of trajectories; None for an array that all trajectories share."""
        if len(self.arrays) > 1:
            return len(self.arrays)
        if any(map(self._is_swept, self.layout)):
            return self.sweep.count
        return self.length(TRAJECTORY) if TRAJECTORY in self.layout else None

    @property
    def swept(self) -> dict[str, int]:
        """The lengths of several axes of trajectories, those that this array has."""
        return {word: length for word, length in self._lengths(0) if self._is_swept(word)}

    @property
    def components(self) -> int:
        lengths = [length for word, length in self._lengths(0) if word == CHANNEL]
        return 1 if self.channel is not None else math.prod(lengths)

    def length(self, word: str, row: int = 0) -> int:
        """The length of an axis in cells, without the cells that are cut off."""
        return dict(self._lengths(row))[word] - sum(self.crop.get(word, (0, 0))) - self._more_faces(word)

    def frames(self, row: int, start: int, stop: int) -> npt.NDArray[Any]:
        """The frames [stop - start, C, *S]; an array without time gives its only state."""
        array = self._array(row)
        values = array.slab(*(self._index(word, row, start, stop) for word in self.layout))
        gone = {TRAJECTORY, SINGLE_CELL, *filter(self._is_swept, self.layout)}
        left = [word for word in self.layout if word not in gone and not self._picked(word)]
        order = [place for place, word in enumerate(left) if word == TIME]
        order += [place for place, word in enumerate(left) if word == CHANNEL]
        order += [left.index(axis) for axis in self.axes]
        values = values.transpose(order)
        count = values.shape[0] if TIME in left else 1
        cells = values.shape[-len(self.axes) :]
        values = values.reshape(count, self.components, *cells)
        return self._at_cells(values, row) if self.faces else values

    def _at_cells(self, values: npt.NDArray[Any], row: int) -> npt.NDArray[Any]:
        """Means of the two faces of each cell, in double precision, then in its type: docs/decisions/0175."""
        axis = self.axes.index(self.faces)
        along = np.moveaxis(values, 2 + axis, 0).astype(np.float64)
        means = np.moveaxis(self.cell_faces.means(along, row, axis), 0, 2 + axis)
        return means.astype(values.dtype if values.dtype.kind == "f" else np.float64)

    def _more_faces(self, word: str) -> int:
        """How many faces an axis has beyond its cells."""
        return 1 if word == self.faces and self.cell_faces.only is None else 0

    def _array(self, row: int) -> Array:
        return self.arrays[row] if len(self.arrays) > 1 else self.arrays[0]

    def _lengths(self, row: int) -> list[tuple[str, int]]:
        return list(zip(self.layout, self._array(row).shape, strict=True))

    def _is_swept(self, word: str) -> bool:
        return swept_axis(word) and word not in self.axes

    def _picked(self, word: str) -> bool:
        return word == CHANNEL and self.channel is not None

    def _index(self, word: str, row: int, start: int, stop: int) -> SlabIndex:
        """The index along one axis: a row, frames, a channel, or the cells that are not cut off."""
        if word == TRAJECTORY:
            return row
        if self._is_swept(word):
            return self.sweep.place(word, row)
        if word == TIME:
            return slice(start, stop)
        if word == SINGLE_CELL:
            return 0
        if word in self.crop:
            lower, _ = self.crop[word]
            return slice(lower, lower + self.length(word, row) + self._more_faces(word))
        return self.channel if word == CHANNEL and self.channel is not None else slice(None)


@dataclass(frozen=True)
class ArrayField:
    """A field in one or several arrays; satisfies ingest.fields.field_stack.StoredField."""

    parts: tuple[ArrayWithLayout, ...]

    @property
    def where(self) -> str:
        return self.parts[0].where

    def frames(self, row: int, start: int, stop: int) -> npt.NDArray[Any]:
        values = [part.frames(row, start, stop) for part in self.parts]
        return values[0] if len(values) == 1 else np.concatenate(values, axis=1)


def lay_out(
    file: Arrays,
    stored: str,
    layout: str,
    axes: tuple[str, ...],
    crop: Crop | None = None,
    blocks: BlockGrid | None = None,
) -> ArrayWithLayout:
    """The array of a `stored` name: `group/name`, `name[channel]`, `*/name`, `step_{step}/name`.

    Raises SourceError if it is absent, if it has other axes than `layout` states, or if it has no values.
    """
    path, channel = split_channel(stored)
    words = numbered(layout.split())
    arrays = _field_arrays(file, path, words)

    for array in arrays:
        if len(array.shape) != len(words):
            raise SourceError(
                f"{array.where}: shape {array.shape}; expected the {len(words)} axes {layout!r} of the "
                "recipe; correct its layout"
            )
        # Lists of zeros, such as parameters, may have no chunks; a field or a mask without chunks is damaged.
        if array.unwritten:
            raise SourceError(
                f"{array.where}: has no chunks, so every value would be the fill value; fetch the store "
                "again, or write it with write_empty_chunks if these are its values"
            )

    if len(arrays) > 1 and any(word == TRAJECTORY or swept_axis(word) for word in set(words) - set(axes)):
        raise SourceError(
            f"{file.where}: {path} is an array per trajectory; expected no axis n in its layout {layout!r}"
        )

    apart = [join_blocks(array, words, blocks) for array in arrays]
    result = ArrayWithLayout(tuple(array for array, _ in apart), apart[0][1], axes, channel, crop or {})
    if any(dict(zip(words, array.shape, strict=True)).get(SINGLE_CELL, 1) != 1 for array in arrays):
        raise SourceError(
            f"{arrays[0].where}: shape {arrays[0].shape}; expected an axis of length 1 where the layout "
            f"{layout!r} says 1; name the axis"
        )

    if channel is not None:
        _require_channel(result, channel)
    _require_cells_left(result)
    return result


def _field_arrays(file: Arrays, path: str, words: tuple[str, ...]) -> tuple[Array, ...]:
    """One array per trajectory, or one for all; arrays of single steps are joined along time."""
    if isinstance(file, RunArrays) and TIME in words:
        if "*" in path:
            raise SourceError(
                f"{file.where}: {path} is an array per trajectory in a run of several files; name the runs "
                "by a part of `files` instead"
            )
        return (file.over_time(path, words),)
    if not names_parts(path):
        return find_arrays(file, path)
    return tuple(
        joined([SeriesPiece(array, SINGLE) for array in row], words) for row in rows_of_steps(file, path)
    )


def _require_cells_left(found: ArrayWithLayout) -> None:
    for axis in found.axes:
        if axis in found.crop and found.length(axis) < 1:
            raise SourceError(
                f"{found.where}: crop of {axis} cuts {sum(found.crop[axis])} cells of "
                f"{found.length(axis) + sum(found.crop[axis])}; correct crop in the recipe"
            )


def _require_channel(found: ArrayWithLayout, channel: int) -> None:
    if found.layout.count(CHANNEL) != 1 or channel >= found.length(CHANNEL):
        held = dict(zip(found.layout, found.arrays[0].shape, strict=True))
        raise SourceError(
            f"{found.where}: no channel {channel}; found the axes {held}; expected one axis c with this "
            "channel; correct `stored` or `layout` of the recipe"
        )


def require_lengths(parts: Iterable[ArrayWithLayout], shape: tuple[int, ...]) -> None:
    """Raises SourceError if an array is not on the grid: it may be staggered, or have another order of
    axes.
    """
    for part in parts:
        for row in range(len(part.arrays)):
            found = tuple(part.length(axis, row) for axis in part.axes)
            if found != shape:
                held = ", ".join(f"{axis} {length}" for axis, length in zip(part.axes, found, strict=True))
                expected = ", ".join(
                    f"{axis} {length}" for axis, length in zip(part.axes, shape, strict=True)
                )
                raise SourceError(
                    f"{part.arrays[row].where}: {held}; expected {expected}, as the other arrays; state "
                    "faces in the recipe for values on cell faces, or layout for axes in another order"
                )


def require_every_channel(fields: Iterable[ArrayField]) -> None:
    """Raises SourceError unless each channel of each array belongs to a field.

    Related datasets have more channels, in another order: a recipe that skips a channel is for another
    dataset.
    """
    named: dict[str, set[int]] = {}
    held: dict[str, int] = {}
    for part in chain.from_iterable(each.parts for each in fields):
        if part.channel is not None:
            named.setdefault(part.where, set()).add(part.channel)
            held[part.where] = part.length(CHANNEL)
    for where, channels in named.items():
        if len(channels) != held[where]:
            raise SourceError(
                f"{where}: holds {held[where]} channels, the recipe takes {sorted(channels)}; expected a "
                "field for each; name the recipe of this file"
            )
