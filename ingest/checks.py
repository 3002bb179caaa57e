"""What a trajectory must satisfy to become shards, in sentences; the moments come from the same pass.

Axes: C channel, S space.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ingest.rounding import Rounding
from shards.errors import WalrusError
from shards.moments import NONE, Moments, merge, of_frame
from shards.spec import Frames, Schema


class UnfitError(WalrusError):
    """A trajectory fails a check; it is quarantined with this reason, the rest goes on."""


def time_fault(time: tuple[float, ...]) -> str | None:
    """What is wrong with the times of a trajectory, if anything."""
    if len(time) < 2:
        return f"has {len(time)} frame, nothing changes in it"
    for number, (before, after) in enumerate(pairwise(time)):
        if not (math.isfinite(after) and math.isfinite(before)):
            return f"the time of frame {number} or {number + 1} is not a finite number"
        if after <= before:
            return f"time does not increase: frame {number} is at {before}, frame {number + 1} at {after}"
    return None


class Inspection:
    """Checks frames [C, *S] as they pass and divides them by 2^k; `moments` are those of all frames so far."""

    def __init__(
        self,
        schema: Schema,
        channels: tuple[str, ...],
        powers: tuple[int, ...],
        allowed: tuple[float, ...] = (),
    ) -> None:
        self.channels = channels
        self.moments: tuple[Moments, ...] = tuple(NONE for _ in channels)
        self.repeated = 0
        with np.errstate(over="ignore"):
            scale = np.array([2.0**k for k in powers], schema.dtype)
        # Where none is allowed, nothing is rounded.
        self._rounding = tuple(Rounding(error, 2.0**k) for error, k in zip(allowed, powers, strict=bool(allowed)))
        self._scale = scale.reshape(-1, *(1 for _ in schema.grid.shape))

    def passes(self, frames: Iterator[Frames]) -> Iterator[Frames]:
        """The frames in stored units; raises UnfitError at the first that is not fit."""
        before: Frames | None = None
        for number, frame in enumerate(frames):
            moments = of_frame(frame, before)
            self._finite(moments, frame[0].size, f"frame {number}")
            self.repeated += before is not None and all(m.change_squares == 0 for m in moments)
            self.moments = tuple(merge(a, b) for a, b in zip(self.moments, moments, strict=True))
            before = frame
            stored = self._stored(frame, f"frame {number}")
            yield self._rounded(stored) if self._rounding else stored

    def static(self, values: Frames) -> Frames:
        """The constant fields in stored units; raises UnfitError where they are not fit."""
        self.moments = of_frame(values)
        self._finite(self.moments, values[0].size, "a constant field")
        return self._stored(values, "a constant field")

    def still_fields(self, schema: Schema) -> tuple[str, ...]:
        """Variable fields of which no component ever changed."""
        moved = dict(zip(self.channels, (m.change_squares > 0 for m in self.moments), strict=True))
        return tuple(
            f.name for f in schema.variable_fields if not any(moved[c] for c in f.components(schema.grid.axes))
        )

    @property
    def errors(self) -> tuple[float, ...]:
        """The largest error that rounding made in each channel, in physical units; empty where none was asked for."""
        return tuple(rounding.reached for rounding in self._rounding)

    def _finite(self, moments: tuple[Moments, ...], cells: int, where: str) -> None:
        for channel, m in zip(self.channels, moments, strict=True):
            if m.count < cells or not (math.isfinite(m.lowest) and math.isfinite(m.highest)):
                raise UnfitError(f"{channel} is not finite in {where}")
            if not (math.isfinite(m.squares) and math.isfinite(m.change_squares)):
                raise UnfitError(f"{channel} in {where} is so large that its square exceeds float64; rescale the field")

    def _rounded(self, stored: Frames) -> Frames:
        return np.stack([rounding.apply(values) for rounding, values in zip(self._rounding, stored, strict=True)])

    def _stored(self, frame: Frames, where: str) -> Frames:
        # A division by 2^k is exact but at the ends of the number range; proven here for every value.
        with np.errstate(all="ignore"):
            stored: Frames = frame / self._scale
            exact = np.array_equal(stored * self._scale, frame)
        if not exact:
            raise UnfitError(
                f"values in {where} lose bits when divided by 2^k; set power = 0 for the field in the recipe"
            )
        return stored
