"""Tells means over time: over intervals, by the CF conventions; over a whole run, by their names."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from ingest.formats.arrays import ArrayFile, whole
from ingest.inferring.inferred_layout import InferredLayout
from shards.errors import SourceError
from shards.program.console import printable

# The attribute cell_methods, such as "time: mean (interval: 1 hour)".
_OVER_TIME = re.compile(r"time: (mean|sum|maximum|minimum)")

# Words of names that say how values of a run were brought together, also without a space: umean, rms_u.
_STATISTIC = re.compile(
    "means?|avg|averaged?|averages|rms|std|stddev|stdev|(co)?variance|max|maximum|min|minimum"
    "|stats|statistics|[a-z]{1,3}(mean|avg)|(mean|avg|rms)[a-z]|[a-z]rms"
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def word_of_statistic(path: str) -> str:
    """The word of a path that says mean, root mean square, maximum, or another number of many; empty if none.

    >>> word_of_statistic("u_mean"), word_of_statistic("stats/UPrime2Mean"), word_of_statistic("storms")
    ('mean', 'stats', '')
    """
    words = (word.lower() for word in _WORD.findall(path))
    return next((word for word in words if _STATISTIC.fullmatch(word)), "")


def doubt_of_statistic(paths: Iterable[str]) -> str:
    """What a person must look at in a field at rest: a mean over the frames of a run knows the later ones."""
    word = next(filter(None, map(word_of_statistic, paths)), "")
    if not word:
        return ""
    return f"called {word}: remove it if it is over the frames of a run, because it knows the later ones"


def time_of_means(arrays: ArrayFile, layout: InferredLayout) -> list[str]:
    """A comment if the times are the start or the end of the intervals of the means; otherwise no line."""
    time = layout.lists.time
    methods = [each.array.attributes.get("cell_methods", "") for each in layout.variable]
    over = next((found[1] for method in methods if (found := _OVER_TIME.search(method))), "")
    bounds = time.attributes.get("bounds", "") if time is not None else ""
    if time is None or not over or bounds not in arrays.names():
        return []

    try:
        times = whole(arrays.array(time.path)).reshape(-1)
        intervals = whole(arrays.array(bounds))
    except SourceError:
        return []

    if intervals.shape != (len(times), 2):
        return []
    for column, word in enumerate(("start", "end")):
        if np.array_equal(intervals[:, column], times):
            said = f"the {over} over an interval (cell_methods); the time is its {word}"
            return [f"# CHECK: fields are {said}, see {printable(bounds)}."]
    return []
