"""Converts frames to stored units: divides by 2^k, rounds if that is allowed, refuses to lose bits.

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
    """How frames [C, *S] become what is stored: each channel divided by its 2^k, in `dtype`.

    `allowed` is the error that rounding may make in each channel, in physical units; empty keeps every bit.
    """

    channels: tuple[str, ...]
    powers: tuple[int, ...]
    dtype: DType
    allowed: tuple[float, ...] = ()

    def store(
        self, frame: Frames, moments: tuple[Moments, ...], where: str
    ) -> tuple[Frames, tuple[float, ...]]:
        """The frame [C, *S] in stored units, and the error of each channel where rounding is allowed.

        Raises UnfitError where bits would be lost, or more than is allowed; `where` names the frame.
        """
        stored = self._divided(frame, moments, where)
        return self._rounded(stored, where) if self.allowed else (stored, ())

    @cached_property
    def _scale(self) -> Frames:
        """[C] of 2^k."""
        with np.errstate(over="ignore"):
            return np.array([2.0**k for k in self.powers], self.dtype)

    def _divided(self, frame: Frames, moments: tuple[Moments, ...], where: str) -> Frames:
        # A division by 2^k is exact but at the ends of the number
        # range; proven by the range, else for every value.
        scale = self._scale.reshape(-1, *(1 for _ in frame.shape[1:]))
        with np.errstate(all="ignore"):
            divided = frame if (scale == 1).all() else frame / scale
            # What may be rounded keeps all bits until then.
            stored: Frames = divided if self.allowed else divided.astype(self.dtype, copy=False)
            exact = self._surely_exact(moments, frame, stored) or _gives(frame, stored, self._scale)
        if not exact and stored.dtype != frame.dtype:
            raise UnfitError(
                f"values in {where} lose bits as {stored.dtype}, unlike those of the sample; "
                'set dtype = "float32" in the recipe, or build without --keep-error'
            )
        if not exact:
            raise UnfitError(
                f"values in {where} lose bits when divided by 2^k; set power = 0 for the field in the "
                "recipe, or add --set fields.NAME.power=0"
            )
        return stored

    def _surely_exact(self, moments: tuple[Moments, ...], frame: Frames, stored: Frames) -> bool:
        """Do the ranges of the channels alone say that no value overflows or comes near 0?"""
        limits = np.finfo(stored.dtype)
        largest, smallest = float(limits.max), float(limits.tiny)
        if frame.dtype != stored.dtype:
            return False
        for found, scale in zip(moments, self._scale.tolist(), strict=True):
            overflows = max(-found.lowest, found.highest) > largest * scale
            far_from_zero = found.lowest >= smallest * scale or found.highest <= -smallest * scale
            if scale != 1 and (overflows or (scale > 1 and not far_from_zero)):
                return False
        return True

    def _rounded(self, stored: Frames, where: str) -> tuple[Frames, tuple[float, ...]]:
        """Each channel with the fewest bits that it needs, and the error that this made."""
        values, errors = [], []
        for channel, k, allowed, exact in zip(self.channels, self.powers, self.allowed, stored, strict=True):
            result, error = Rounding(allowed, 2.0**k, self.dtype).apply(exact)
            if error > allowed:
                raise UnfitError(
                    f"{channel} in {where} is wrong by {error:.3g} as {self.dtype}, allowed is "
                    f"{allowed:.3g}: values are far larger than in the sample; build without --keep-error"
                )
            values.append(result)
            errors.append(error)
        return np.stack(values), tuple(errors)


def _gives(frame: Frames, stored: Frames, scale: Frames) -> bool:
    """Is `stored` times `scale` [C] the frame [C, *S]? Block after block, while it is in the cache."""
    values, divided = frame.reshape(len(frame), -1), stored.reshape(len(stored), -1)
    factors = scale.reshape(-1, 1)
    blocks = (slice(start, start + BLOCK) for start in range(0, values.shape[1], BLOCK))
    return all(bool((divided[:, block] * factors == values[:, block]).all()) for block in blocks)
