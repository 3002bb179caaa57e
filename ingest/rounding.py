"""Fewer bits where they do not matter: values rounded so that none is further from its source than is allowed.

What is allowed is a share of the RMS of the one-step change of the field, from a fixed sample of the train split. Each
channel of each frame keeps the fewest bits that values of its size need for it, and the error is measured.
Axes: C channel, S space.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np

from ingest.inputs import InputFile
from ingest.recipe import Recipe
from ingest.scale import add_squares, root_mean, sample
from ingest.source import OpenFile
from shards.card import KeptError
from shards.codec import rounded
from shards.errors import SettingsError
from shards.spec import Frames, Schema, Trajectory


@dataclass
class Rounding:
    """Rounds one channel of frame after frame, held in units of `scale`; `reached` is the largest error so far."""

    allowed: float
    scale: float
    reached: float = 0.0

    def apply(self, stored: Frames) -> Frames:
        """[*S] with no value further from `stored` than is allowed; all bits where fewer do not do."""
        scale = stored.dtype.type(self.scale)
        for bits in range(self._bits(float(np.abs(stored).max())), np.finfo(stored.dtype).nmant):
            result = rounded(stored, bits)
            error = _largest_error(result * scale, stored * scale)
            if error <= self.allowed:
                self.reached = max(self.reached, error)
                return result
        return stored

    def _bits(self, largest: float) -> int:
        """Half of the last bit of the largest value must be within what is allowed."""
        allowed = self.allowed / self.scale
        if allowed == 0 or largest == 0:
            return 0 if largest == 0 else np.finfo(np.float64).nmant
        return max(0, math.ceil(math.frexp(largest)[1] - 2 - math.log2(allowed)))


def _largest_error(a: Frames, b: Frames) -> float:
    with np.errstate(all="ignore"):
        return float(np.abs(np.subtract(a, b, dtype=np.float64)).max())


def kept_errors(
    recipe: Recipe, schema: Schema, files: tuple[InputFile, ...], trajectories: list[Trajectory], share: float
) -> dict[str, KeptError]:
    """What is allowed of each field that changes: `share` of its one-step change; raises SettingsError for no share."""
    if not 0 < share < math.inf:
        raise SettingsError(f"--keep-error {share}: expected a share of the one-step change above 0, such as 0.01")
    squares: dict[str, list[float]] = {field.name: [] for field in recipe.variable}
    sample(recipe, files, trajectories, partial(_add_changes, squares, recipe, schema))
    return {name: KeptError(share * root_mean(values)) for name, values in squares.items()}


def _add_changes(
    squares: dict[str, list[float]], recipe: Recipe, schema: Schema, opened: OpenFile, trajectory: Trajectory
) -> None:
    """The change between neighbouring frames at the start, the middle and the end."""
    last = trajectory.frames - 2
    for frame in sorted({0, last // 2, last}):
        before, after = opened.frames(trajectory.origin.row, frame, frame + 2)
        with np.errstate(over="ignore", invalid="ignore"):
            change = np.subtract(after, before, dtype=np.float64)
        add_squares(squares, recipe.variable, schema, change)
