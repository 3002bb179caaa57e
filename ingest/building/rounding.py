"""Rounds values to fewer bits, with no error larger than allowed (docs/decisions/0007).

The allowed error is a share of the RMS of the one-step change of the field, measured on a fixed sample of the
train split. Each channel of each frame keeps the fewest bits with which its error stays within the bound; the
error is measured. If float32 has enough bits for all fields, float64 is stored as float32
(docs/decisions/0011-float32-under-a-bound.md). Axes: C channel, S space.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ingest.building.inputs import InputFile
from ingest.building.scale import add_squares, root_mean, sample
from ingest.recipe import Recipe, RecipeField
from ingest.source import OpenFile
from shards.card import KeptError
from shards.codec import rounded
from shards.errors import SettingsError
from shards.schema import DType, Frames, Schema, Trajectory

# float32 is chosen only if values up to this many times those of the sample stay within the bound.
BEYOND = 16
FLOAT32 = np.finfo(np.float32)


@dataclass(frozen=True)
class Rounding:
    """Rounds one channel of a frame, stored in units of `scale`, by at most `allowed` in physical units."""

    allowed: float
    scale: float
    dtype: DType

    def apply(self, stored: Frames) -> tuple[Frames, float]:
        """Rounds `stored` [*S] to `dtype` within the allowed error; returns the values and the largest error.

        The error is larger than allowed if even all bits of float32 are too few.
        """
        for bits in range(self._bits(float(np.abs(stored).max())), np.finfo(self.dtype).nmant):
            result = self._cast(rounded(stored, bits))
            error = self._error(result, stored)
            if error <= self.allowed:
                return result, error
        result = self._cast(stored)
        return result, self._error(result, stored)

    def _cast(self, stored: Frames) -> Frames:
        with np.errstate(over="ignore"):
            cast: Frames = stored.astype(self.dtype, copy=False)
        return cast

    def _error(self, result: Frames, stored: Frames) -> float:
        """The largest error in physical units; infinite if a value exceeds the type."""
        with np.errstate(all="ignore"):
            scale = np.float64(self.scale)
            found, source = result * scale.astype(self.dtype), stored * scale.astype(stored.dtype)
            error = float(np.abs(np.subtract(found, source, dtype=np.float64)).max())
        return math.inf if math.isnan(error) else error

    def _bits(self, largest: float) -> int:
        """The number of bits to keep: half of the last bit of the largest value must be within the bound."""
        allowed = self.allowed / self.scale
        if allowed == 0 or largest == 0:
            return 0 if largest == 0 else np.finfo(np.float64).nmant
        return max(0, math.ceil(math.frexp(largest)[1] - 2 - math.log2(allowed)))


@dataclass(frozen=True)
class ErrorBounds:
    """The error allowed for each variable field, and a type in which all fields stay within it."""

    errors: dict[str, KeptError]
    dtype: DType


def error_bounds(
    recipe: Recipe,
    schema: Schema,
    files: tuple[InputFile, ...],
    trajectories: Sequence[Trajectory],
    share: float,
) -> ErrorBounds:
    """Allows each field an error of `share` of its one-step change; raises SettingsError for a bad share."""
    if not 0 < share < math.inf:
        raise SettingsError(
            f"--keep-error {share}: expected a positive share of the one-step change, such as 0.01"
        )
    seen = _SampleStatistics(recipe.variable, schema)
    sample(recipe, files, trajectories, seen.add)
    errors = {name: KeptError(share * root_mean(values)) for name, values in seen.squares.items()}
    fits = seen.constants_fit and all(
        _fits(seen.largest[name], error.allowed) for name, error in errors.items()
    )
    return ErrorBounds(errors, "float32" if fits else schema.dtype)


def _fits(largest: float, allowed: float) -> bool:
    """Whether float32 holds values of this size, and larger ones, within the allowed error."""
    most = BEYOND * largest
    lost = max(most * float(FLOAT32.eps) / 2, float(FLOAT32.smallest_subnormal))
    return most < float(FLOAT32.max) and lost <= allowed


@dataclass
class _SampleStatistics:
    """Mean squares of the change, and largest value, of each field; and whether constants fit float32."""

    variable: tuple[RecipeField, ...]
    schema: Schema
    squares: dict[str, list[float]] = field(init=False)
    largest: dict[str, float] = field(init=False)
    constants_fit: bool = True

    def __post_init__(self) -> None:
        self.squares = {each.name: [] for each in self.variable}
        self.largest = {each.name: 0.0 for each in self.variable}

    def add(self, opened: OpenFile, trajectory: Trajectory) -> None:
        """Adds pairs of neighbouring frames at the start, middle and end, and the constant fields."""
        row, last = trajectory.origin.row, trajectory.frames - 2
        for frame in sorted({0, last // 2, last}):
            before, after = opened.frames(row, frame, frame + 2)
            with np.errstate(over="ignore", invalid="ignore"):
                change = np.subtract(after, before, dtype=np.float64)
            add_squares(self.squares, self.variable, self.schema, change)
            self._add_largest(before)
        constants = opened.static(row)
        with np.errstate(over="ignore"):
            self.constants_fit &= np.array_equal(constants.astype(np.float32), constants)

    def _add_largest(self, frame: Frames) -> None:
        """Keeps the largest value of each channel of a frame [C, *S]; skips values not finite."""
        names = self.schema.per_channel({each.name: each.name for each in self.variable})
        for name, values in zip(names, frame, strict=True):
            finite = np.abs(values[np.isfinite(values)])
            self.largest[name] = max(self.largest[name], float(finite.max(initial=0)))
