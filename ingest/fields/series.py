"""Joins arrays that follow each other in time: states in separate files or groups, restart pieces."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.fields.gaps import lie_apart, missing_steps
from ingest.formats.arrays import Array, Arrays, SlabIndex, no_array
from ingest.formats.natural_sort import natural, steps_in
from ingest.layout import TIME
from ingest.name_numbers import step_number
from ingest.name_pattern import STEP, NamePattern
from shards.errors import SourceError

SINGLE = range(1)


@dataclass(frozen=True)
class SeriesPiece:
    """An array and the frames of it to read; an array without an axis of time is one frame."""

    array: Array
    frames: range


@dataclass(frozen=True)
class ArraySeries:
    """Pieces joined along `axis`, or stacked along it if they have no axis of time; satisfies Array."""

    pieces: tuple[SeriesPiece, ...]
    axis: int
    stacked: bool

    unwritten = False

    @property
    def where(self) -> str:
        return self.pieces[0].array.where

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.result_type(*{piece.array.dtype for piece in self.pieces})

    @cached_property
    def shape(self) -> tuple[int, ...]:
        own = self.pieces[0].array.shape
        inner = own[self.axis :] if self.stacked else own[self.axis + 1 :]
        return (*own[: self.axis], self._ends[-1], *inner)

    @cached_property
    def _ends(self) -> list[int]:
        """The total number of frames up to the end of each piece."""
        return list(accumulate(len(piece.frames) for piece in self.pieces))

    def slab(self, *index: SlabIndex) -> npt.NDArray[Any]:
        """Reads the pieces with the requested frames, and joins their values."""
        asked = index[self.axis]
        if isinstance(asked, int):
            one = self.slab(*index[: self.axis], slice(asked, asked + 1), *index[self.axis + 1 :])
            return one.squeeze(self._axis_of_result(index))
        start, stop, _ = asked.indices(self.shape[self.axis])
        parts = list(self._read(index, start, max(start, stop)))
        if not parts:
            return np.empty(self.shape, self.dtype)[
                (*index[: self.axis], slice(0, 0), *index[self.axis + 1 :])
            ]
        return np.concatenate(parts, self._axis_of_result(index))

    def _axis_of_result(self, index: Sequence[SlabIndex]) -> int:
        """The number of the axis of time in a slab, in which integer indices have removed axes."""
        return sum(isinstance(each, slice) for each in index[: self.axis])

    def _read(self, index: Sequence[SlabIndex], start: int, stop: int) -> Iterable[npt.NDArray[Any]]:
        """Yields frames `start` to `stop`, piece by piece."""
        while start < stop:
            number = bisect_right(self._ends, start)
            piece, end = self.pieces[number], self._ends[number]
            first = start - (end - len(piece.frames))
            count = min(stop, end) - start
            before, after = index[: self.axis], index[self.axis + 1 :]
            if self.stacked:
                yield np.expand_dims(piece.array.slab(*before, *after), self._axis_of_result(index))
            else:
                at = piece.frames[first]
                yield piece.array.slab(*before, slice(at, at + count), *after)
            start += count


def joined(pieces: Sequence[SeriesPiece], words: tuple[str, ...]) -> Array:
    """The pieces as one array with the axes `words`; raises SourceError if one has another shape.

    Pieces without the axis of time are single frames.
    """
    first = pieces[0].array
    if TIME not in words:
        raise SourceError(f"{first.where}: an array per step; expected a layout with the axis t")

    axis, stacked = words.index(TIME), len(first.shape) == len(words) - 1
    if not stacked and len(first.shape) != len(words):
        raise SourceError(
            f"{first.where}: shape {first.shape}; expected the axes {' '.join(words)!r} of the recipe, with "
            "or without t; correct its layout"
        )

    # The number of frames may differ from piece to piece; a piece without the axis of time has none.
    frames = slice(axis, axis if stacked else axis + 1)
    for piece in pieces:
        shape = piece.array.shape
        if len(shape) != len(first.shape) or _without(shape, frames) != _without(first.shape, frames):
            raise SourceError(
                f"{piece.array.where}: shape {shape}; expected {first.shape} as in {first.where}; write the "
                "file again, or exclude this run"
            )

    return ArraySeries(tuple(pieces), axis, stacked)


def _without(shape: tuple[int, ...], part: slice) -> tuple[int, ...]:
    return shape[: part.start] + shape[part.stop :]


def arrays_by_step(file: Arrays, path: str) -> tuple[Array, ...]:
    """The arrays at a path with `{step}`, in the order of their steps; raises SourceError if there are
    none.
    """
    names = steps_in(file.names(), path)
    if not names:
        raise no_array(file.where, path, file.names())
    return tuple(file.array(name) for name in names)


def rows_of_steps(file: Arrays, path: str) -> list[tuple[Array, ...]]:
    """The arrays at a path with `{step}`, for each trajectory if the path also has a `*`."""
    stars = (f"{{trajectory_{number}}}" for number in range(path.count("*")))
    pattern = NamePattern("".join(next(stars) if letter == "*" else letter for letter in path))
    rows: dict[tuple[str, ...], None] = {}
    for parts in pattern.matches(file.names()).values():
        rows[tuple(text for name, text in parts.items() if name != STEP)] = None
    if not rows:
        raise no_array(file.where, path, file.names())
    return [
        arrays_by_step(file, _filled(path, row))
        for row in sorted(rows, key=lambda row: list(map(natural, row)))
    ]


def _filled(path: str, texts: tuple[str, ...]) -> str:
    """The path with a text in place of each `*`."""
    for text in texts:
        path = path.replace("*", text, 1)
    return path


def require_every_step(where: str, steps: Sequence[str], times: Sequence[float] | None) -> None:
    """Raises SourceError if a number is missing in a series of files or groups, and in their times too."""
    lost = missing_steps([step_number(step) for step in steps])
    if lost is None or (times is not None and (missing_steps(list(times)) is None or lie_apart(times))):
        return
    raise SourceError(f"{where}: step {lost:g} is missing between the others; fetch it, or exclude this run")
