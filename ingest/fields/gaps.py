"""Finds out whether numbers or times of a run are missing, as those of a lost file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise


def missing_steps(steps: list[float]) -> float | None:
    """The first missing number of a series whose strides are mostly equal; otherwise None.

    The last stride may be shorter, because solvers also write their last step.

    >>> missing_steps([0, 10, 20, 40, 50, 60])
    30
    >>> missing_steps([0, 7, 10, 40]) is None
    True
    """
    strides = [after - before for before, after in pairwise(steps)]
    # A name may hold a number that is too large for a float.
    if len(strides) < 3 or not all(map(math.isfinite, strides)):
        return None
    usual = sorted(strides)[len(strides) // 2]
    common = sum(_close(stride, usual) for stride in strides)
    if usual <= 0 or common < 0.6 * len(strides):
        return None
    for before, stride in zip(steps, strides, strict=False):
        times = stride / usual
        if times > 1.5 and _close(times, round(times)):
            return before + usual
    return None


def lie_apart(times: Sequence[float]) -> bool:
    """Whether times lie further apart towards the end, or more would be missing than are there: they are
    written so, and no file is lost (docs/decisions/0188-irregular-times.md).

    >>> lie_apart((0, 1, 2, 3, 4, 20, 210)), lie_apart((0, 1, 2, 4, 5)), lie_apart((0, 1, 2, 3, 5))
    (True, False, False)
    """
    strides = [after - before for before, after in pairwise(times)]
    usual = sorted(strides)[len(strides) // 2]
    first = next((at for at, stride in enumerate(strides) if stride > 1.5 * usual), len(strides))
    behind = strides[first:]
    # A single wide stride at the end may be a lost file.
    widens = len(behind) > 1 and min(behind) > 1.5 * usual
    return widens or times[-1] - times[0] > 2 * len(times) * usual


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-6 * max(abs(a), abs(b))
