"""Solid cells inside the box, as a mask in the file marks them.

See docs/decisions/0094.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.fields.laid_out import LaidOut, lay_out, require_lengths
from ingest.formats.arrays import Arrays
from ingest.layout import TIME, MaskRule, split_channel
from ingest.name_pattern import names_parts
from ingest.recipe import Recipe
from shards.errors import SourceError

MOVES = "the mask has an axis of time: a cell that is solid in one frame is solid in all"
# Frames of a mask that are read at a time.
FRAMES = 16


@dataclass(frozen=True)
class MaskObstacle:
    """An array that marks solid cells, and the rule for it; satisfies ingest.fields.stacked.Obstacle."""

    rule: MaskRule
    stored: LaidOut
    # The cells of the trajectory that was asked for last: each slab of frames asks again.
    known: dict[int, npt.NDArray[np.bool_]] = field(default_factory=dict, compare=False)

    @property
    def moves(self) -> bool:
        """Whether it is the union of a mask in time."""
        return TIME in self.stored.layout and (self.rule.solid != "nan" or self.rule.moves)

    def solid(self, row: int) -> npt.NDArray[np.bool_]:
        """[*S]; raises SourceError where all cells or none are solid, or some are not a number."""
        if row not in self.known:
            self.known.clear()
            self.known[row] = self._read(row)
        return self.known[row]

    def _read(self, row: int) -> npt.NDArray[np.bool_]:
        """The cells that are solid in any frame, or in the first one."""
        frames = self.stored.length(TIME, row) if self.moves else 1
        solid = np.zeros([self.stored.length(axis, row) for axis in self.stored.axes], bool)
        for start in range(0, frames, FRAMES):
            values = self.stored.frames(row, start, min(start + FRAMES, frames))[:, 0]
            solid |= self._solid(values).any(axis=0)
        if not solid.any() or solid.all():
            raise SourceError(
                f"{self.stored.where}: {'all' if solid.all() else 'none'} of the cells are "
                f"{self.rule.solid}, so solid; expected some; correct `solid` of the recipe's [mask]"
            )
        return solid

    def _solid(self, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """The cells of values that are solid, of the same shape; raises SourceError for a mask with holes."""
        absent: npt.NDArray[np.bool_] = np.isnan(values)
        if self.rule.solid == "nan":
            return absent
        if absent.any():
            raise SourceError(
                f"{self.stored.where}: not a number in {absent.sum()} cells; expected a mask; fix the file"
            )
        kinds = {"nonzero": values != 0, "zero": values == 0, "negative": values < 0, "positive": values > 0}
        result: npt.NDArray[np.bool_] = kinds[self.rule.solid]
        return result


def described_obstacle(
    file: Arrays, recipe: Recipe, shape: tuple[int, ...], count: int
) -> MaskObstacle | None:
    """The mask that the recipe names, on a grid of this shape, for `count` trajectories; None without a
    [mask].
    """
    if recipe.mask is None:
        return None
    stored = lay_out(file, recipe.mask.stored, mask_layout(file, recipe), recipe.axes, recipe.crop)
    require_lengths((stored,), shape)
    if stored.rows not in (None, count) or stored.components != 1:
        raise SourceError(
            f"{stored.where}: {stored.rows} masks of {stored.components} channels; expected one for all, or "
            f"one for each of {count} trajectories; correct the layout of the recipe's [mask]"
        )
    return MaskObstacle(recipe.mask, stored)


def mask_layout(file: Arrays, recipe: Recipe) -> str:
    """The axes of the mask: as stated, those of space, or those of a field where it has as many."""
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
