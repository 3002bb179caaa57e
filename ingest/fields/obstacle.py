"""Reads the solid cells inside the box from a mask in the file, or next to it (docs/decisions/0094)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.fields.array_field import ArrayWithLayout, lay_out, require_lengths
from ingest.fields.next_to_the_data import side_file
from ingest.fields.sweep import NO_SWEEP, Sweep
from ingest.formats.arrays import Arrays
from ingest.formats.side_lists import ListFile, numbers_of_list
from ingest.layout import TIME, MaskRule, split_channel
from ingest.name_pattern import names_parts
from ingest.recipe import Recipe
from shards.errors import SourceError

MOVES = "the mask has an axis of time: a cell that is solid in one frame is solid in all"
# The number of frames of a mask that are read at once.
FRAMES = 16


@dataclass(frozen=True)
class MaskObstacle:
    """An array that marks solid cells, and its rule; satisfies ingest.fields.field_stack.Obstacle."""

    rule: MaskRule
    stored: ArrayWithLayout
    # The cells of the last trajectory, because they are needed for each slab of frames.
    known: dict[int, npt.NDArray[np.bool_]] = field(default_factory=dict, compare=False)

    @property
    def moves(self) -> bool:
        """Whether the solid cells are the union of a mask over all frames."""
        return TIME in self.stored.layout and (self.rule.solid != "nan" or self.rule.moves)

    def solid(self, row: int) -> npt.NDArray[np.bool_]:
        """The solid cells [*S]; raises SourceError if all or none are solid, or if the mask has NaN."""
        if row not in self.known:
            self.known.clear()
            self.known[row] = self._read(row)
        return self.known[row]

    def _read(self, row: int) -> npt.NDArray[np.bool_]:
        """Reads the cells that are solid in any frame, or in the first frame."""
        frames = self.stored.length(TIME, row) if self.moves else 1
        solid = np.zeros([self.stored.length(axis, row) for axis in self.stored.axes], bool)
        for start in range(0, frames, FRAMES):
            values = self.stored.frames(row, start, min(start + FRAMES, frames))[:, 0]
            solid |= self._solid(values).any(axis=0)
        if not solid.any() or solid.all():
            raise SourceError(
                f"{self.stored.where}: {'all' if solid.all() else 'none'} of the cells are "
                f"{self.rule.solid}, which marks solid cells; expected some; correct `solid` in [mask] of "
                "the recipe, or remove [mask] if there is no body and no land"
            )
        return solid

    def _solid(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """Whether each value marks a solid cell, in the same shape; raises SourceError for NaN in a mask."""
        absent: npt.NDArray[np.bool_] = np.isnan(values)
        if self.rule.solid == "nan":
            return absent
        if absent.any():
            raise SourceError(
                f"{self.stored.where}: NaN in {absent.sum()} cells; expected a mask; fix the file"
            )
        kinds = {"nonzero": values != 0, "zero": values == 0, "negative": values < 0, "positive": values > 0}
        result: npt.NDArray[np.bool_] = kinds[self.rule.solid]
        return result


def described_obstacle(
    file: Arrays, recipe: Recipe, shape: tuple[int, ...], count: int, sweep: Sweep = NO_SWEEP
) -> MaskObstacle | None:
    """The mask of the recipe on a grid of this shape, for `count` trajectories; None if it has no [mask]."""
    if recipe.mask is None:
        return None
    file = _holder(file, recipe)
    stored = lay_out(file, recipe.mask.stored, mask_layout(file, recipe), recipe.axes, recipe.crop)
    stored = replace(stored, sweep=sweep)
    require_lengths((stored,), shape)
    if stored.rows not in (None, count) or stored.components != 1:
        raise SourceError(
            f"{stored.where}: {stored.rows} masks of {stored.components} channels; expected one for all, or "
            f"one for each of {count} trajectories; correct the layout of the recipe's [mask]"
        )
    return MaskObstacle(recipe.mask, stored)


def _holder(file: Arrays, recipe: Recipe) -> Arrays:
    """The file that holds the mask: the data, or an npy file next to them (docs/decisions/0161)."""
    assert recipe.mask is not None
    if not recipe.mask.is_next_to_the_data:
        return file
    path = side_file(file, recipe.mask.stored, recipe)
    return ListFile(recipe.mask.stored, str(path), numbers_of_list(path, ""))


def mask_layout(file: Arrays, recipe: Recipe) -> str:
    """The axes of the mask: as stated, otherwise those of space, or of the fields if it has as many axes."""
    assert recipe.mask is not None
    if recipe.mask.layout:
        return recipe.mask.layout
    path, _ = split_channel(recipe.mask.stored)
    space = " ".join(word for word in recipe.layout.split() if word in recipe.axes)
    if names_parts(path):
        return recipe.layout
    if "*" not in path and len(file.array(path).shape) == len(recipe.layout.split()):
        return recipe.layout
    return space
