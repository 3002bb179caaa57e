"""Joins files that each hold a tile of the grid, one per process of a run (docs/decisions/0095)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.formats.arrays import Array, ArrayFile, SlabIndex
from ingest.formats.packing import Attribute
from ingest.layout import TileRule
from shards.errors import SourceError

Cells = tuple[int, ...]


@dataclass(frozen=True)
class TiledArray:
    """An array with tiles in several files, and the index of the first cell of each; satisfies Array."""

    tiles: tuple[Array, ...]
    starts: tuple[Cells, ...]

    unwritten = False

    @property
    def where(self) -> str:
        return self.tiles[0].where

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.tiles[0].dtype

    @cached_property
    def shape(self) -> tuple[int, ...]:
        ends = [np.add(start, tile.shape) for start, tile in zip(self.starts, self.tiles, strict=True)]
        return tuple(int(length) for length in np.max(ends, axis=0))

    def slab(self, *index: SlabIndex) -> npt.NDArray[Any]:
        """Reads the tiles with the requested cells, and puts each in its place."""
        asked = [_range(each, length) for each, length in zip(index, self.shape, strict=True)]
        first, stop = [each.start for each in asked], [each.stop for each in asked]
        out = np.empty(list(map(len, asked)), self.dtype)
        for start, tile in zip(self.starts, self.tiles, strict=True):
            lower = np.maximum(first, start).tolist()
            upper = np.minimum(stop, np.add(start, tile.shape)).tolist()
            if all(low < high for low, high in zip(lower, upper, strict=True)):
                out[_slices(lower, upper, first)] = tile.slab(*_slices(lower, upper, start))
        return out[tuple(0 if isinstance(each, int) else slice(None) for each in index)]


def _range(index: SlabIndex, length: int) -> range:
    """The requested cells of an axis; a slab has no other step than 1."""
    if isinstance(index, int):
        return range(index, index + 1)
    start, stop, _ = index.indices(length)
    return range(start, stop)


def _slices(lower: Sequence[int], upper: Sequence[int], origin: Sequence[int]) -> tuple[slice, ...]:
    """The slices of the cells from `lower` to `upper`, counted from `origin`."""
    return tuple(
        slice(low - first, high - first) for low, high, first in zip(lower, upper, origin, strict=True)
    )


@dataclass(frozen=True)
class TiledArrays:
    """The files of one time with one tile each, at the positions of the rule; satisfies Arrays."""

    files: tuple[ArrayFile, ...]
    rule: TileRule

    @property
    def where(self) -> str:
        return self.files[0].where

    def names(self) -> tuple[str, ...]:
        return self.files[0].names()

    def array(self, path: str) -> Array:
        """The array of all tiles; a list or a number is read from the first file.

        Raises SourceError if tiles leave cells out, or cover some cells twice.
        """
        tiles = tuple(file.array(path) for file in self.files)
        axes = len(tiles[0].shape)
        if axes < 2:
            return tiles[0]

        starts = tuple(self._of_axes(file, self.rule.offsets, axes) for file in self.files)
        found = TiledArray(tiles, starts)
        cells = self._of_axes(self.files[0], self.rule.cells, axes)
        is_whole = all(length == stated for length, stated in zip(found.shape, cells, strict=True) if stated)
        held = sum(prod(tile.shape) for tile in tiles)
        if not is_whole or len(set(starts)) < len(starts) or held != prod(found.shape):
            raise SourceError(
                f"{found.where}: {len(tiles)} tiles of {held} cells; expected to fill the {cells} cells of "
                "the grid; is a file of the run missing?"
            )

        return found

    def attribute(self, path: str, name: str) -> float | None:
        return self.files[0].attribute(path, name)

    def attributes(self, path: str) -> dict[str, Attribute]:
        return self.files[0].attributes(path)

    def dimensions(self, path: str) -> tuple[str, ...]:
        return self.files[0].dimensions(path)

    def _of_axes(self, file: ArrayFile, place: str, axes: int) -> Cells:
        """The number of an attribute for each axis of an array.

        If there are fewer numbers than axes, they belong to the last axes, and the first get 0. If there are
        more, the first numbers count.
        """
        path, _, name = place.rpartition("@")
        held = np.asarray(file.attributes(path).get(name, ())).reshape(-1)
        if held.dtype.kind not in "iuf" or not held.size or (held < 0).any():
            raise SourceError(
                f"{file.where}:{path}: no attribute {name} with a number for each axis; correct [tiles]"
            )
        return (0,) * (axes - len(held)) + tuple(held.astype(int).tolist())[:axes]
