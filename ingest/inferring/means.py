"""Finds out whether times of means are the start or the end of their intervals, by the CF conventions."""

from __future__ import annotations

import re

import numpy as np

from ingest.formats.arrays import ArrayFile, whole
from ingest.inferring.inferred_layout import InferredLayout
from shards.errors import SourceError
from shards.program.console import printable

# The attribute cell_methods, such as "time: mean (interval: 1 hour)".
_OVER_TIME = re.compile(r"time: (mean|sum|maximum|minimum)")


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
