"""Summarises a number of every step of a run, so that a person can read its curve however long the run is.

Axes: N steps, P points of a curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from walrus.evaluation.scores import Errors

# With more, the lines of a noisy number cover each other, and a picture shows one solid band.
MOST_POINTS = 150


class Summary(NamedTuple):
    """For each point [P] the mean of its steps, and the lowest, middle and highest of their values."""

    step: Errors
    low: Errors
    middle: Errors
    high: Errors


def summary(steps: Sequence[int], values: Sequence[float], most: int = MOST_POINTS) -> Summary:
    """At most `most` points, each for equally many of the steps in a row; in a short run, one for each step.

    Values [N] that are not finite do not count; a point without any other is NaN.

    >>> summary([0, 1, 2, 3, 4, 5], [3, 9, 5, 1, 7, 2], most=2)[1:]
    (array([3., 1.]), array([5., 2.]), array([9., 7.]))
    """
    size = max(1, -(-len(values) // most))
    rest = -len(values) % size
    finite = np.array(values, float)
    finite[~np.isfinite(finite)] = np.nan
    # NaN comes last in each row.
    ordered = np.sort(np.pad(finite, (0, rest), constant_values=np.nan).reshape(-1, size), axis=1)
    count = np.maximum(1, np.isfinite(ordered).sum(axis=1))
    rows = np.arange(len(ordered))
    step = np.pad(np.array(steps, float), (0, rest), mode="edge").reshape(-1, size).mean(axis=1)
    return Summary(step, ordered[:, 0], ordered[rows, (count - 1) // 2], ordered[rows, count - 1])


def running_mean(values: Errors) -> Errors:
    """The geometric mean [N] over a window of a twentieth of the run, shorter at both ends.

    Values [N] must be positive; those that are not finite do not count.
    """
    count = len(values)
    reach = min(count // 40 + 1, (count - 1) // 2)
    first = (np.arange(count) - reach).clip(0)
    stop = (np.arange(count) + reach + 1).clip(max=count)
    known = np.isfinite(values)
    logs = np.where(known, np.log(values), 0)
    # Differences of sums take as long for a wide window as for a narrow one.
    sums, counts = (np.concatenate([[0], np.cumsum(each)]) for each in (logs, known))
    with np.errstate(invalid="ignore"):
        mean: Errors = np.exp((sums[stop] - sums[first]) / (counts[stop] - counts[first]))
    return mean
