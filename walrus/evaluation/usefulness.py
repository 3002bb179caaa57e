"""Until which step a forecast is useful: better than a constant field, and correlated with the truth.

The bounds are usual ones: a VRMSE of 1 is that of the mean of the truth, and a correlation of 0.8 ends the
high-correlation time (arXiv 2308.05732).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import takewhile

from walrus.evaluation.metrics import Measure
from walrus.evaluation.scores import ALL, Forecaster, Scores

USEFUL_VRMSE = 1.0
HIGH_CORRELATION = 0.8


def useful_steps(horizons: Scores, forecaster: Forecaster = "model") -> int:
    """Steps before the first whose VRMSE, the median over trajectories, is 1 or more.

    `horizons` has the scores of every step.
    """
    return useful_steps_of(_steps(horizons, forecaster, "vrmse"))


def useful_steps_of(vrmse_T: Iterable[float]) -> int:
    """Steps before the first whose VRMSE [T] is 1 or more; a step without a VRMSE is skipped.

    >>> useful_steps_of([0.2, math.nan, 0.9, 1.0, 0.5])
    3
    """
    return _leading(value < USEFUL_VRMSE or math.isnan(value) for value in vrmse_T)


def correlated_steps(horizons: Scores, forecaster: Forecaster = "model") -> int:
    """Steps before the first whose correlation with the truth is less than 0.8."""
    return _leading(value >= HIGH_CORRELATION for value in _steps(horizons, forecaster, "pearson"))


def _steps(horizons: Scores, forecaster: Forecaster, measure: Measure) -> list[float]:
    return [horizons.value(window, forecaster, measure, ALL) for window in horizons.windows]


def _leading(passed: Iterable[bool]) -> int:
    """How many values are true before the first that is false."""
    return sum(1 for _ in takewhile(bool, passed))
