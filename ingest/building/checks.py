"""Checks what a trajectory must satisfy to become shards.

The reasons are in docs/decisions/0002-what-quarantines-a-trajectory.md.
"""

from __future__ import annotations

import math
from itertools import pairwise

from shards.errors import WalrusError
from shards.moments import Moments


class UnfitError(WalrusError):
    """A trajectory fails a check: it is left out with this reason, and the build continues."""


class NotFiniteError(UnfitError):
    """A value is NaN or infinite."""


def time_fault(time: tuple[float, ...]) -> str | None:
    """Describes what is wrong with the times of a trajectory; None if nothing is.

    >>> time_fault((0.0, 0.5, 0.5))
    'time does not increase: frame 1 is at 0.5, frame 2 at 0.5; write the frames in order of time, each once'
    >>> time_fault((0.0, 0.5, 1.0))
    """
    if len(time) < 2:
        return f"has {len(time)} frame, expected at least 2"
    for number, (before, after) in enumerate(pairwise(time)):
        if not (math.isfinite(after) and math.isfinite(before)):
            return f"the time of frame {number} or {number + 1} is not a finite number"
        if after <= before:
            return (
                f"time does not increase: frame {number} is at {before}, frame {number + 1} at {after}; "
                "write the frames in order of time, each once"
            )
    return None


def parameter_fault(scalars: dict[str, float]) -> str | None:
    """Describes what is wrong with the parameters of a trajectory; None if nothing is.

    >>> parameter_fault({"viscosity": 0.01, "forcing": float("nan")})
    'parameter forcing is nan'
    """
    for name, value in scalars.items():
        if not math.isfinite(value):
            return f"parameter {name} is {value}"
    return None


def require_finite(channels: tuple[str, ...], moments: tuple[Moments, ...], cells: int, where: str) -> None:
    """Raises NotFiniteError if a channel has fewer than `cells` finite values; `where` names the frame.

    Raises UnfitError if the sum of the squares of a channel, or of its changes, exceeds float64.
    """
    for channel, found in zip(channels, moments, strict=True):
        if found.count < cells or not (math.isfinite(found.lowest) and math.isfinite(found.highest)):
            raise NotFiniteError(f"{channel} is not finite in {where}")
        if not (math.isfinite(found.squares) and math.isfinite(found.change_squares)):
            raise UnfitError(
                f"{channel} in {where} is so large that its square exceeds float64; rescale the field"
            )
