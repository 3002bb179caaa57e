"""What a trajectory must satisfy to become shards, in sentences; the moments come from the same pass.

Axes: T time, C channel, S space.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from ingest.building.rounding import Rounding
from shards.errors import WalrusError
from shards.moments import BLOCK, NONE, Moments, merge, of_frames
from shards.schema import Frames, Schema


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


def parameter_fault(scalars: dict[str, float]) -> str | None:
    """What is wrong with the parameters of a trajectory, if anything."""
    return next(
        (f"parameter {name} is {value}" for name, value in scalars.items() if not math.isfinite(value)), None
    )


class FrameChecker:
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
        self._rounding = tuple(
            Rounding(error, 2.0**k, schema.dtype) for error, k in zip(allowed, powers, strict=bool(allowed))
        )
        self._scale = scale.reshape(-1, *(1 for _ in schema.grid.shape))

    def passes(self, slabs: Iterator[Frames]) -> Iterator[Frames]:
        """The frames of slabs [T, C, *S] in stored units; raises UnfitError at the first that is not fit.

        While those of one slab are taken away, to be encoded and written, the moments of the next are found
        beside it.
        """
        first, waiting = 0, None
        with ThreadPoolExecutor(1) as aside:
            for slab in slabs:
                moments = aside.submit(of_frames, slab, waiting[0][-1] if waiting else None)
                if waiting:
                    yield from self._passed(first, *waiting)
                    first += len(waiting[0])
                waiting = slab, moments
            if waiting:
                yield from self._passed(first, *waiting)

    def _passed(self, first: int, slab: Frames, found: Future[list[tuple[Moments, ...]]]) -> Iterator[Frames]:
        for number, (frame, moments) in enumerate(zip(slab, found.result(), strict=True), first):
            where = f"frame {number}"
            self._finite(moments, frame[0].size, where)
            self.repeated += number > 0 and all(m.change_squares == 0 for m in moments)
            self.moments = tuple(merge(a, b) for a, b in zip(self.moments, moments, strict=True))
            stored = self._stored(frame, moments, where)
            yield self._rounded(stored, where) if self._rounding else stored

    def static(self, values: Frames) -> Frames:
        """The constant fields in stored units; raises UnfitError where they are not fit."""
        (self.moments,) = of_frames(values[None])
        self._finite(self.moments, values[0].size, "a constant field")
        return self._stored(values, self.moments, "a constant field")

    def still_fields(self, schema: Schema) -> tuple[str, ...]:
        """Variable fields of which no component ever changed."""
        moved = dict(zip(self.channels, (m.change_squares > 0 for m in self.moments), strict=True))
        return tuple(
            f.name
            for f in schema.variable_fields
            if not any(moved[c] for c in f.components(schema.grid.axes))
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
                raise UnfitError(
                    f"{channel} in {where} is so large that its square exceeds float64; rescale the field"
                )

    def _rounded(self, stored: Frames, where: str) -> Frames:
        result = np.stack(
            [rounding.apply(values) for rounding, values in zip(self._rounding, stored, strict=True)]
        )
        for channel, rounding in zip(self.channels, self._rounding, strict=True):
            if rounding.reached > rounding.allowed:
                raise UnfitError(
                    f"{channel} in {where} is wrong by {rounding.reached:.3g} as {rounding.dtype}, allowed is "
                    f"{rounding.allowed:.3g}: values are far larger than in the sample; build without --keep-error"
                )
        return result

    def _stored(self, frame: Frames, moments: tuple[Moments, ...], where: str) -> Frames:
        # A division by 2^k is exact but at the ends of the number range; proven by the range, else for every
        # value.
        with np.errstate(all="ignore"):
            divided = frame if (self._scale == 1).all() else frame / self._scale
            # What may be rounded keeps all bits until then.
            stored: Frames = divided if self._rounding else divided.astype(self._scale.dtype, copy=False)
            exact = self._surely_exact(moments, frame, stored) or _gives(frame, stored, self._scale)
        if not exact and stored.dtype != frame.dtype:
            raise UnfitError(
                f'values in {where} lose bits as {stored.dtype}, those of the sample did not; set dtype = "float32" in '
                "the recipe, or build without --keep-error"
            )
        if not exact:
            raise UnfitError(
                f"values in {where} lose bits when divided by 2^k; set power = 0 for the field in the recipe, or say "
                "--set fields.NAME.power=0"
            )
        return stored

    def _surely_exact(self, moments: tuple[Moments, ...], frame: Frames, stored: Frames) -> bool:
        """Do the ranges of the channels alone say that no value overflows, and none but 0 comes near to it?"""
        limits = np.finfo(stored.dtype)
        largest, smallest = float(limits.max), float(limits.tiny)
        return frame.dtype == stored.dtype and all(
            max(-m.lowest, m.highest) <= largest * scale
            and (scale <= 1 or m.lowest >= smallest * scale or m.highest <= -smallest * scale)
            for m, scale in zip(moments, self._scale.ravel().tolist(), strict=True)
            if scale != 1
        )


def _gives(frame: Frames, stored: Frames, scale: Frames) -> bool:
    """Is `stored` times `scale` the frame [C, *S]? Block after block, while it is in the cache."""
    values, divided = frame.reshape(len(frame), -1), stored.reshape(len(stored), -1)
    factors = scale.reshape(-1, 1)
    blocks = (slice(start, start + BLOCK) for start in range(0, values.shape[1], BLOCK))
    return all(bool((divided[:, block] * factors == values[:, block]).all()) for block in blocks)
