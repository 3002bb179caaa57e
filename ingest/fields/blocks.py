"""Blocks of one level, as Athena++ and FLASH write them, seen as one grid.

B block, S space. docs/decisions/0053-blocks.md
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.formats.arrays import Array, Arrays, SlabIndex, whole
from ingest.layout import BLOCK
from ingest.recipe import Recipe
from shards.errors import SourceError

# What FLASH calls a block that no other refines.
LEAF = 1


@dataclass(frozen=True)
class BlockGrid:
    """Where blocks are: `taken` their numbers in the file, `places` [B, S] counted in blocks, `axes` as in
    `places`.
    """

    axes: tuple[str, ...]
    taken: npt.NDArray[np.intp]
    places: npt.NDArray[np.intp]

    def count(self, axis: str) -> int:
        """How many blocks there are along an axis."""
        return int(self.places[:, self.axes.index(axis)].max()) + 1

    def place(self, block: int, axis: str) -> int:
        return int(self.places[block, self.axes.index(axis)])

    def line(self, values: npt.NDArray[np.float64], axis: str) -> npt.NDArray[np.float64]:
        """Centres [L] of an axis from those of each block [B, l]; empty where blocks in a row differ."""
        rows: dict[int, npt.NDArray[np.float64]] = {}
        for block, number in enumerate(self.taken):
            known = rows.setdefault(self.place(block, axis), values[number])
            if not np.allclose(known, values[number]):
                return np.empty(0)
        return np.concatenate([rows[place] for place in sorted(rows)])


def described_blocks(file: Arrays, recipe: Recipe) -> BlockGrid | None:
    """The blocks that the recipe describes; None without [blocks].

    Raises SourceError for a grid that is refined, or that blocks do not fill.
    """
    rule = recipe.blocks
    if rule is None:
        return None
    # Positions are x, y, z; arrays are stored z, y, x.
    axes = tuple(word for word in reversed(recipe.layout.split()) if word in recipe.axes)
    stored = whole(file.array(rule.places or rule.centres))
    if stored.ndim != 2 or stored.shape[1] < len(axes):
        raise SourceError(
            f"{file.where}:{rule.places or rule.centres}: shape {stored.shape}; expected a position of "
            f"{len(axes)} numbers for each block"
        )
    taken = np.arange(len(stored))
    if rule.kinds:
        taken = np.flatnonzero(whole(file.array(rule.kinds)) == LEAF)
    levels = np.unique(whole(file.array(rule.levels))[taken]) if rule.levels else np.zeros(1)
    if len(levels) != 1:
        raise SourceError(
            f"{file.where}: blocks of the levels {levels.min():g} to {levels.max():g}; expected one level: "
            "a refined grid has no frames of equal cells; write it again on a uniform grid"
        )
    places = stored[taken, : len(axes)]
    if rule.centres:
        sizes = whole(file.array(rule.sizes))[taken, : len(axes)]
        places = (places - places.min(axis=0)) / np.where(sizes > 0, sizes, 1)
    places = np.rint(places - places.min(axis=0)).astype(np.intp)
    found = BlockGrid(axes, taken, places)
    expected = prod(found.count(axis) for axis in axes)
    if len(np.unique(places, axis=0)) != expected or len(taken) != expected:
        raise SourceError(
            f"{file.where}: {len(taken)} blocks; expected {expected}, which fill a box; is a file of the "
            "run missing?"
        )
    return found


@dataclass(frozen=True)
class Assembled:
    """An array of blocks with the axes `words`, as one without the axis of blocks; satisfies Array."""

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
        """Reads all blocks of the frames asked for, puts each in its place, and picks the cells asked for."""
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
        """The cells of a block along an axis of the grid; all of another axis."""
        if word not in self.blocks.axes:
            return slice(None)
        start = self.blocks.place(block, word) * length
        return slice(start, start + length)


def assembled(
    array: Array, words: tuple[str, ...], blocks: BlockGrid | None
) -> tuple[Array, tuple[str, ...]]:
    """The array without its axis of blocks, and the axes that are left."""
    if BLOCK not in words or blocks is None or len(array.shape) != len(words):
        return array, words
    return Assembled(array, words, blocks), tuple(word for word in words if word != BLOCK)
