"""Fewer bits where they do not matter: values rounded so that none is further from its source than is allowed.

What is allowed is a share of the RMS of the one-step change of the field, from a fixed sample of the train
split. Each channel of each frame keeps the fewest bits that values of its size need for it, and the error is
measured. Where float32 has bits enough for all of them, float64 is stored as float32. Axes: C channel, S
space.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
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

# Values so much larger than those of the sample are still stored within what is allowed, where float32 is
# chosen.
BEYOND = 16
FLOAT32 = np.finfo(np.float32)


@dataclass
class Rounding:
    """Rounds one channel of frame after frame, held in units of `scale`; `reached` is the largest error so far."""

    allowed: float
    scale: float
    dtype: DType
    reached: float = 0.0

    def apply(self, stored: Frames) -> Frames:
        """[*S] in `dtype`, no value further from `stored` than is allowed; all bits where fewer do not do.

        More is lost, as `reached` tells, where all bits of float32 are too few for float64.
        """
        for result in self._candidates(stored):
            error = self._error(result, stored)
            if error <= self.allowed:
                break
        self.reached = max(self.reached, error)
        return result

    def _candidates(self, stored: Frames) -> Iterator[Frames]:
        for bits in range(self._bits(float(np.abs(stored).max())), np.finfo(self.dtype).nmant):
            yield self._cast(rounded(stored, bits))
        yield self._cast(stored)

    def _cast(self, stored: Frames) -> Frames:
        with np.errstate(over="ignore"):
            cast: Frames = stored.astype(self.dtype, copy=False)
        return cast

    def _error(self, result: Frames, stored: Frames) -> float:
        """The largest, in physical units; infinite where the values exceed the type."""
        with np.errstate(all="ignore"):
            scale = np.float64(self.scale)
            found, source = result * scale.astype(self.dtype), stored * scale.astype(stored.dtype)
            error = float(np.abs(np.subtract(found, source, dtype=np.float64)).max())
        return math.inf if math.isnan(error) else error

    def _bits(self, largest: float) -> int:
        """Half of the last bit of the largest value must be within what is allowed."""
        allowed = self.allowed / self.scale
        if allowed == 0 or largest == 0:
            return 0 if largest == 0 else np.finfo(np.float64).nmant
        return max(0, math.ceil(math.frexp(largest)[1] - 2 - math.log2(allowed)))


@dataclass(frozen=True)
class ErrorBounds:
    """What is allowed of each field that changes, and the type that holds them all within it."""

    errors: dict[str, KeptError]
    dtype: DType


def kept(
    recipe: Recipe, schema: Schema, files: tuple[InputFile, ...], trajectories: list[Trajectory], share: float
) -> ErrorBounds:
    """Allows each field `share` of its one-step change; raises SettingsError for no share."""
    if not 0 < share < math.inf:
        raise SettingsError(
            f"--keep-error {share}: expected a share of the one-step change above 0, such as 0.01"
        )
    seen = _SampleStatistics(recipe.variable, schema)
    sample(recipe, files, trajectories, seen.add)
    errors = {name: KeptError(share * root_mean(values)) for name, values in seen.squares.items()}
    fits = seen.constants_fit and all(
        _fits(seen.largest[name], error.allowed) for name, error in errors.items()
    )
    return ErrorBounds(errors, "float32" if fits else schema.dtype)


def _fits(largest: float, allowed: float) -> bool:
    """Whether float32 holds values of this size, and larger ones, within what is allowed."""
    most = BEYOND * largest
    lost = max(most * float(FLOAT32.eps) / 2, float(FLOAT32.smallest_subnormal))
    return most < float(FLOAT32.max) and lost <= allowed


@dataclass
class _SampleStatistics:
    """The sample: mean squares of the change of each field, its largest value, whether float32 has the constants."""

    variable: tuple[RecipeField, ...]
    schema: Schema
    squares: dict[str, list[float]] = field(init=False)
    largest: dict[str, float] = field(init=False)
    constants_fit: bool = True

    def __post_init__(self) -> None:
        self.squares = {each.name: [] for each in self.variable}
        self.largest = {each.name: 0.0 for each in self.variable}

    def add(self, opened: OpenFile, trajectory: Trajectory) -> None:
        """Neighbouring frames at the start, the middle and the end, and the constant fields."""
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
        """Of a frame [C, *S]; a value that is not finite is left to the checks."""
        names = self.schema.per_channel({each.name: each.name for each in self.variable})
        for name, values in zip(names, frame, strict=True):
            finite = np.abs(values[np.isfinite(values)])
            self.largest[name] = max(self.largest[name], float(finite.max(initial=0)))
