"""Joins blocks of one level, as Athena++ and FLASH write them, into one grid (docs/decisions/0053-blocks.md).

Axes: B block, S space.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.formats.arrays import Array, Arrays, SlabIndex, whole
from ingest.layout import BLOCK, BlockRule
from ingest.recipe import Recipe
from shards.errors import SourceError

# The kind of a block in FLASH that is not refined further.
LEAF = 1


@dataclass(frozen=True)
class BlockGrid:
    """The positions of blocks in a grid.

    `taken` holds their numbers in the file, `places` [B, S] their positions counted in blocks, `axes` the
    names of the axes of `places`.
    """

    axes: tuple[str, ...]
    taken: npt.NDArray[np.intp]
    places: npt.NDArray[np.intp]

    def count(self, axis: str) -> int:
        """The number of blocks along an axis."""
        return int(self.places[:, self.axes.index(axis)].max()) + 1

    def place(self, block: int, axis: str) -> int:
        return int(self.places[block, self.axes.index(axis)])

    def line(self, values: npt.NDArray[np.float64], axis: str) -> npt.NDArray[np.float64]:
        """The centres [L] of an axis from those of each block [B, l]; empty if blocks in a row differ."""
        rows: dict[int, npt.NDArray[np.float64]] = {}
        for block, number in enumerate(self.taken):
            known = rows.setdefault(self.place(block, axis), values[number])
            if not np.allclose(known, values[number]):
                return np.empty(0)
        return np.concatenate([rows[place] for place in sorted(rows)])


def described_blocks(file: Arrays, recipe: Recipe) -> BlockGrid | None:
    """The blocks that the recipe describes; None if it has no [blocks].

    Raises SourceError if the grid is refined, or if blocks do not fill a box.
    """
    rule = recipe.blocks
    if rule is None:
        return None

    # Positions are x, y, z; arrays are stored z, y, x.
    axes = tuple(word for word in reversed(recipe.layout.split()) if word in recipe.axes)
    stored = whole(file.array(rule.positions))
    if stored.ndim != 2 or stored.shape[1] < len(axes):
        raise SourceError(
            f"{file.where}:{rule.positions}: shape {stored.shape}; expected a position of {len(axes)} "
            "numbers for each block"
        )

    taken = np.arange(len(stored))
    if rule.kinds:
        taken = np.flatnonzero(whole(file.array(rule.kinds)) == LEAF)
    _require_one_level(file, rule, taken)
    sizes = whole(file.array(rule.sizes))[taken] if rule.centres else None
    places = _counted(rule, stored[taken, : len(axes)], sizes)
    found = BlockGrid(axes, taken, places)
    expected = prod(found.count(axis) for axis in axes)
    if len(np.unique(places, axis=0)) != expected or len(taken) != expected:
        raise SourceError(
            f"{file.where}: {len(taken)} blocks; expected {expected} to fill a box; is a file of the run "
            "missing?"
        )

    return found


def _require_one_level(file: Arrays, rule: BlockRule, taken: npt.NDArray[np.intp]) -> None:
    """Raises SourceError if the grid is refined."""
    levels = np.unique(whole(file.array(rule.levels))[taken]) if rule.levels else np.zeros(1)
    refined = int((whole(file.array(rule.children)) >= 0).sum()) if rule.children else 0
    if len(levels) == 1 and not refined:
        return
    found = f"{refined} blocks that are refined further"
    if len(levels) > 1:
        found = f"blocks of the levels {levels.min():g} to {levels.max():g}"
    raise SourceError(
        f"{file.where}: {found}; expected one level, because cells of a refined grid are not equal; write it "
        "again on a uniform grid"
    )


def _counted(
    rule: BlockRule, positions: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64] | None
) -> npt.NDArray[np.intp]:
    """Positions [B, S] counted in blocks from the lower corner of the grid."""
    places = positions - positions.min(axis=0)
    if sizes is not None:
        sizes = sizes[:, : places.shape[1]]
        places = places / np.where(sizes > 0, sizes, 1)
    if rule.corners:
        for axis, values in enumerate(places.T):
            # The distance between corners is the width of a block.
            distinct = np.unique(values)
            places[:, axis] /= np.diff(distinct).min() if len(distinct) > 1 else 1
    counted: npt.NDArray[np.intp] = np.rint(places).astype(np.intp)
    return counted


@dataclass(frozen=True)
class BlockArray:
    """An array of blocks, with its blocks joined; satisfies Array. `words` are its axes with that of
    blocks.
    """

    stored: Array
    words: tuple[str, ...]
    blocks: BlockGrid

    unwritten = False

    @property
    def where(self) -> str:
        return self.stored.where

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.stored.dtype

    @cached_property
    def shape(self) -> tuple[int, ...]:
        lengths = zip(self.words, self.stored.shape, strict=True)
        return tuple(
            length * self.blocks.count(word) if word in self.blocks.axes else length
            for word, length in lengths
            if word != BLOCK
        )

    def slab(self, *index: SlabIndex) -> npt.NDArray[Any]:
        """Reads all blocks of the requested frames, puts each in its place, and selects the requested
        cells.
        """
        asked = list(index)
        asked.insert(self.words.index(BLOCK), slice(None))
        inner = list(asked)

        for place, word in enumerate(self.words):
            if word in self.blocks.axes:
                inner[place] = slice(None)

        values = self.stored.slab(*inner)
        kept = [word for word, each in zip(self.words, inner, strict=True) if isinstance(each, slice)]
        values = np.moveaxis(values, kept.index(BLOCK), 0)
        kept.remove(BLOCK)
        lengths = dict(zip(kept, values.shape[1:], strict=True))
        whole_shape = [
            length * (self.blocks.count(word) if word in self.blocks.axes else 1)
            for word, length in zip(kept, values.shape[1:], strict=True)
        ]
        out = np.empty(whole_shape, values.dtype)

        for block, number in enumerate(self.blocks.taken):
            out[tuple(self._cells(word, block, lengths[word]) for word in kept)] = values[number]

        cells = dict(zip(self.words, asked, strict=True))
        return out[tuple(cells[word] if word in self.blocks.axes else slice(None) for word in kept)]

    def _cells(self, word: str, block: int, length: int) -> slice:
        """The cells of a block along an axis of the grid; all cells of any other axis."""
        if word not in self.blocks.axes:
            return slice(None)
        start = self.blocks.place(block, word) * length
        return slice(start, start + length)


def join_blocks(
    array: Array, words: tuple[str, ...], blocks: BlockGrid | None
) -> tuple[Array, tuple[str, ...]]:
    """The array with its blocks joined, and its axes without that of blocks."""
    if BLOCK not in words or blocks is None or len(array.shape) != len(words):
        return array, words
    return BlockArray(array, words, blocks), tuple(word for word in words if word != BLOCK)
