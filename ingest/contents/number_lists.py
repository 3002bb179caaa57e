"""Describes lists of times and of cell centres for the comments of a draft."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ingest.contents.listing import ArrayInfo
from ingest.formats.arrays import ArrayFile, whole
from shards.errors import SourceError
from shards.program.console import printable

Values = npt.NDArray[np.float64]
# From one year to the next, in months and days of a year as numbers: 200012 to 200101, 2001365 to 2002001 and
# 2000366 to 2001001.
NEXT_YEAR = (89, 636, 635)

# The beginning of the comment on a list in a file of its own.
NEXT_TO_IT = "CHECK: of a file next to the data; "


def values_of(arrays: ArrayFile, listed: ArrayInfo | None) -> Values | None:
    """The values of a list; those of the first trajectory if there is one list for each."""
    if listed is None or listed.pattern:
        return None
    try:
        values = whole(arrays.array(listed.path))
    except SourceError:
        return None
    if values.size == max(values.shape, default=1):
        return values.reshape(-1)
    return values[0] if values.ndim == 2 else None


def span(values: Values, what: str, unit: str) -> str:
    """The count, first value, last value and unit of a list, and what is unusual about it."""
    words = f"{len(values)} {what}s, {values[0]:.6g} to {values[-1]:.6g}"
    words += f" {printable(unit)}" if unit else ""
    if len(values) > 2 and not even(values):
        steps = np.abs(np.diff(values))
        words += f"; steps differ, {steps.min():.4g} to {steps.max():.4g}"
    if len(values) > 1 and values[0] > values[-1]:
        words += "; decreasing, stored as it is"
    return words


def out_of_order(time: ArrayInfo, times: Values) -> list[str]:
    """Comments on times that are not in order, with what to do: a build refuses them until they are."""
    not_later = np.flatnonzero(np.diff(times) <= 0) + 1
    first = int(not_later[0])
    name, here, before = printable(time.path), f"{times[first]:g}", f"{times[first - 1]:g}"
    if (times[not_later] == times[0]).all():
        return [
            f"# FIX: {name} begins again, at {here}, at frame {first}: runs one after another in one array.",
            "# Save each run to a file of its own, with its times.",
        ]
    return [
        f"# FIX: the frames are not in order of time: {name} is {here} at frame {first}, after {before}.",
        f"# Write the file again with the frames of each array sorted by {name} (numpy.argsort), each time",
        "# once: a run that was started again writes some twice.",
    ]


def why_no_times(time: ArrayInfo, times: Values) -> str:
    """The reason why a list is not used as the times of the frames."""
    name = printable(time.path)
    missing = np.flatnonzero(~np.isfinite(times))
    if missing.size:
        return f"{name} is not a list of times: it has no value at frame {missing[0]} (a fill value?)."
    return f"{name} holds {len(times)} times, not one per frame."


def one_way(values: Values) -> bool:
    """Whether all values are finite, and either increase or decrease."""
    steps = np.diff(values)
    return bool(np.isfinite(values).all() and ((steps > 0).all() or (steps < 0).all()))


def even(values: Values) -> bool:
    """Whether all steps of a list are equal within 0.1%."""
    steps = np.diff(values)
    return bool(np.allclose(steps, steps[0], rtol=1e-3))


def are_compact_dates(values: Values) -> bool:
    """Whether all numbers of a list are dates of the years 1800 to 2199: 20010228, 20010228.5 or 2001022812.

    Months, 200012, and days of a year, 2001365, are so only if they are counted one by one: other numbers of
    six and seven digits are common.

    >>> are_compact_dates(np.array([20010228, 20010301.5])), are_compact_dates(np.array([20010232, 20010301]))
    (True, False)
    >>> are_compact_dates(np.array([200011, 200012, 200101])), are_compact_dates(np.array([200010, 200020]))
    (True, False)
    >>> are_compact_dates(np.array([200102281200, 200102281800]))
    True
    >>> are_compact_dates(np.array([2001365, 2002001]))
    True
    """
    if not len(values) or not np.isfinite(values).all():
        return False
    digits = len(f"{values[0]:.0f}")
    if digits in (6, 7):
        counts = len(values) > 1 and all(step in (1, *NEXT_YEAR) for step in np.diff(values))
        return counts and (_are_days(100 * values + 1) if digits == 6 else _are_days_of_years(values))
    # Hours, minutes and seconds are behind the day.
    return digits in (8, 10, 12, 14) and _are_days(np.floor(values / 10.0 ** (digits - 8)))


def _are_days(days: Values) -> bool:
    """Whether numbers YYYYMMDD are days of the years 1800 to 2199."""
    month, day = days // 100 % 100, days % 100
    is_date = (days >= 18000101) & (days <= 21991231) & (month >= 1) & (month <= 12) & (day >= 1)
    return bool((is_date & (day <= 31)).all())


def _are_days_of_years(values: Values) -> bool:
    """Whether numbers YYYYDDD are days of the years 1800 to 2199."""
    day = values % 1000
    return bool(((values >= 1800001) & (values <= 2199366) & (day >= 1) & (day <= 366)).all())
