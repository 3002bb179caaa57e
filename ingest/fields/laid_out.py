"""Arrays whose axes a recipe names, read as frames: N trajectory, T time, C component, S space."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.formats.arrays import Array, Arrays, SlabIndex
from ingest.formats.natural_sort import natural
from ingest.layout import CHANNEL, TIME, TRAJECTORY, split_channel
from shards.errors import SourceError


@dataclass(frozen=True)
class LaidOut:
    """One array for all trajectories, or (found by a `*` in its path) one for each; `channel` picks one of
    axis c.
    """

    arrays: tuple[Array, ...]
    layout: tuple[str, ...]
    axes: tuple[str, ...]
    channel: int | None

    @property
    def where(self) -> str:
        return self.arrays[0].where

    @property
    def rows(self) -> int | None:
        """How many trajectories it holds; None for an array that all share."""
        if len(self.arrays) > 1:
            return len(self.arrays)
        return self.length(TRAJECTORY) if TRAJECTORY in self.layout else None

    @property
    def components(self) -> int:
        lengths = [length for word, length in self._lengths(0) if word == CHANNEL]
        return 1 if self.channel is not None else math.prod(lengths)

    def length(self, word: str, row: int = 0) -> int:
        return dict(self._lengths(row))[word]

    def frames(self, row: int, start: int, stop: int) -> npt.NDArray[Any]:
        """[stop - start, C, *S]; an array without time gives its one state."""
        array = self._array(row)
        values = array.slab(*(self._index(word, row, start, stop) for word in self.layout))
        left = [word for word in self.layout if word != TRAJECTORY and not self._picked(word)]
        order = [place for place, word in enumerate(left) if word == TIME]
        order += [place for place, word in enumerate(left) if word == CHANNEL]
        order += [left.index(axis) for axis in self.axes]
        values = values.transpose(order)
        count = values.shape[0] if TIME in left else 1
        return values.reshape(count, self.components, *values.shape[len(order) - len(self.axes) :])

    def _array(self, row: int) -> Array:
        return self.arrays[row] if len(self.arrays) > 1 else self.arrays[0]

    def _lengths(self, row: int) -> list[tuple[str, int]]:
        return list(zip(self.layout, self._array(row).shape, strict=True))

    def _picked(self, word: str) -> bool:
        return word == CHANNEL and self.channel is not None

    def _index(self, word: str, row: int, start: int, stop: int) -> SlabIndex:
        if word == TRAJECTORY:
            return row
        if word == TIME:
            return slice(start, stop)
        return self.channel if word == CHANNEL and self.channel is not None else slice(None)


@dataclass(frozen=True)
class LaidOutField:
    """A field of one or several laid out arrays; satisfies ingest.fields.stacked.StoredField."""

    parts: tuple[LaidOut, ...]

    @property
    def where(self) -> str:
        return self.parts[0].where

    def frames(self, row: int, start: int, stop: int) -> npt.NDArray[Any]:
        values = [part.frames(row, start, stop) for part in self.parts]
        return values[0] if len(values) == 1 else np.concatenate(values, axis=1)


def lay_out(file: Arrays, stored: str, layout: str, axes: tuple[str, ...]) -> LaidOut:
    """The array that a recipe calls `stored` (`group/name`, `name[channel]`, `*/name`); raises
    SourceError.
    """
    path, channel = split_channel(stored)
    words = tuple(layout.split())
    arrays = find_arrays(file, path)
    for array in arrays:
        if len(array.shape) != len(words):
            raise SourceError(
                f"{array.where}: shape {array.shape}; expected the {len(words)} axes {layout!r} of the "
                "recipe; correct its layout"
            )
        # Lists of zeros, of parameters say, are often stored so; cells that all hold one value are no field,
        # no mask.
        if array.unwritten:
            raise SourceError(
                f"{array.where}: not one of its chunks is there, all would read as the fill value; fetch "
                "the store again, or write it with write_empty_chunks if that is what it holds"
            )
    if len(arrays) > 1 and TRAJECTORY in words:
        raise SourceError(
            f"{file.where}: {path} is an array a trajectory; expected no axis n in its layout {layout!r}"
        )
    result = LaidOut(arrays, words, axes, channel)
    if channel is not None:
        _require_channel(result, channel)
    return result


def find_arrays(file: Arrays, path: str) -> tuple[Array, ...]:
    """The array at `path`, or all whose path it fits where it holds a `*`, in order of their paths."""
    if "*" not in path:
        return (file.array(path),)
    depth = path.count("/")
    names = [name for name in file.names() if fnmatchcase(name, path) and name.count("/") == depth]
    if not names:
        raise SourceError(f"{file.where}: no array {path}; found {', '.join(file.names()[:12]) or 'nothing'}")
    return tuple(file.array(name) for name in sorted(names, key=natural))


def _require_channel(found: LaidOut, channel: int) -> None:
    if found.layout.count(CHANNEL) != 1 or channel >= found.length(CHANNEL):
        held = dict(zip(found.layout, found.arrays[0].shape, strict=True))
        raise SourceError(
            f"{found.where}: no channel {channel}; found the axes {held}; expected one axis c that long; "
            "correct `stored` or `layout` of the recipe"
        )


def require_lengths(parts: Iterable[LaidOut], shape: tuple[int, ...]) -> None:
    """Raises SourceError where an array is not on the grid: staggered, or its axes in another order."""
    for part in parts:
        for row in range(len(part.arrays)):
            found = tuple(part.length(axis, row) for axis in part.axes)
            if found != shape:
                held = ", ".join(f"{axis} {length}" for axis, length in zip(part.axes, found, strict=True))
                expected = ", ".join(
                    f"{axis} {length}" for axis, length in zip(part.axes, shape, strict=True)
                )
                raise SourceError(
                    f"{part.arrays[row].where}: {held}; expected {expected}, as the other arrays; a "
                    "staggered field must be brought to cell centres first, axes in another order need "
                    "their layout"
                )


def require_every_channel(fields: Iterable[LaidOutField]) -> None:
    """Raises SourceError unless each channel of each array is some field's.

    Sibling sets order their channels otherwise and add others: a recipe that passes over one was made for
    another set.
    """
    named: dict[str, set[int]] = {}
    held: dict[str, int] = {}
    for part in (part for field in fields for part in field.parts):
        if part.channel is not None:
            named.setdefault(part.where, set()).add(part.channel)
            held[part.where] = part.length(CHANNEL)
    for where, channels in named.items():
        if len(channels) != held[where]:
            raise SourceError(
                f"{where}: holds {held[where]} channels, the recipe takes {sorted(channels)}; expected a "
                "field for each; name the recipe of this file"
            )
