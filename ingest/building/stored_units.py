"""Converts frames to stored units: divides by 2^k, rounds if this is allowed, otherwise keeps every bit.

Axes: C channel, S space.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ingest.building.checks import UnfitError
from ingest.building.rounding import Rounding
from shards.moments import BLOCK, Moments
from shards.schema import DType, Frames


@dataclass(frozen=True)
class StoredUnits:
    """Converts frames [C, *S] to what is stored: each channel divided by its 2^k, in `dtype`.

    `allowed` is the largest error of rounding in each channel, in physical units; if empty, every bit is
    kept.
    """

    channels: tuple[str, ...]
    powers: tuple[int, ...]
    dtype: DType
    allowed: tuple[float, ...] = ()

    def store(
        self, frame: Frames, moments: tuple[Moments, ...], where: str
    ) -> tuple[Frames, tuple[float, ...]]:
        """The frame [C, *S] in stored units, and the error of each channel if rounding is allowed.

        Raises UnfitError if bits would be lost, or more than is allowed; `where` names the frame.
        """
        stored = self._divided(frame, moments, where)
        return self._rounded(stored, where) if self.allowed else (stored, ())

    @cached_property
    def _scale(self) -> Frames:
        """The scale 2^k of each channel [C]."""
        with np.errstate(over="ignore"):
            return np.array([2.0**k for k in self.powers], self.dtype)

    def _divided(self, frame: Frames, moments: tuple[Moments, ...], where: str) -> Frames:
        # A division by 2^k is exact, except at the ends of the number range. The range of the values often
        # proves it; otherwise every value is checked.
        scale = self._scale.reshape(-1, *(1 for _ in frame.shape[1:]))
        with np.errstate(all="ignore"):
            divided = frame if (scale == 1).all() else frame / scale
            # Values that will be rounded keep all bits until then.
            stored: Frames = divided if self.allowed else divided.astype(self.dtype, copy=False)
            exact = self._surely_exact(moments, frame, stored) or _gives(frame, stored, self._scale)

        if exact:
            return stored
        if stored.dtype != frame.dtype:
            raise UnfitError(
                f"values in {where} would lose bits as {stored.dtype}, unlike those of the sample; "
                'set dtype = "float32" in the recipe, or build without --keep-error'
            )
        raise UnfitError(
            f"values in {where} would lose bits when divided by 2^k; set power = 0 for the field in the "
            "recipe, or add --set fields.NAME.power=0"
        )

    def _surely_exact(self, moments: tuple[Moments, ...], frame: Frames, stored: Frames) -> bool:
        """Whether the ranges of the channels alone prove that no value overflows or underflows."""
        limits = np.finfo(stored.dtype)
        largest, smallest = float(limits.max), float(limits.tiny)
        if frame.dtype != stored.dtype:
            return False
        for found, scale in zip(moments, self._scale.tolist(), strict=True):
            overflows = max(-found.lowest, found.highest) > largest * scale
            is_far_from_zero = found.lowest >= smallest * scale or found.highest <= -smallest * scale
            underflows = scale > 1 and not is_far_from_zero
            if scale != 1 and (overflows or underflows):
                return False
        return True

    def _rounded(self, stored: Frames, where: str) -> tuple[Frames, tuple[float, ...]]:
        """Rounds each channel to the fewest bits that its bound allows; returns the errors too."""
        values, errors = [], []
        for channel, k, allowed, exact in zip(self.channels, self.powers, self.allowed, stored, strict=True):
            result, error = Rounding(allowed, 2.0**k, self.dtype).apply(exact)
            if error > allowed:
                raise UnfitError(
                    f"{channel} in {where} would have an error of {error:.3g} as {self.dtype}, allowed is "
                    f"{allowed:.3g}: values are far larger than in the sample; build without --keep-error"
                )
            values.append(result)
            errors.append(error)
        return np.stack(values), tuple(errors)


def _gives(frame: Frames, stored: Frames, scale: Frames) -> bool:
    """Whether `stored` times `scale` [C] equals the frame [C, *S]; in blocks that fit the processor cache."""
    values, divided = frame.reshape(len(frame), -1), stored.reshape(len(stored), -1)
    factors = scale.reshape(-1, 1)
    blocks = (slice(start, start + BLOCK) for start in range(0, values.shape[1], BLOCK))
    return all(bool((divided[:, block] * factors == values[:, block]).all()) for block in blocks)
