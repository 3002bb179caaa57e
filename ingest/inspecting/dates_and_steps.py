"""Decides whether a number behind a date in names of files is a time of day or a step.

The reasons are in docs/decisions/0142-dates-and-steps.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise
from typing import Literal

from ingest.name_numbers import SECONDS_OF_DAY, is_date, step_number

# A date, and next to it a number that may be a time of day: 20240115_000500, 2024-01-15-03600, 20240115-06;
# 12:30 and 12_30 are times.
DATE_AND_NUMBER = re.compile(
    r"(?a:(?<!\d)(?P<date>(?:18|19|20)\d{2}(?P<mark>-?)(?:0[1-9]|1[0-2])(?P=mark)(?:0[1-9]|[12]\d|3[01]))"
    r"[-_](?P<number>\d{2}(?![-_]\d\d)|\d{3,7})(?![:.]?\d))"
)
# What these numbers are: `either` if both readings are possible, empty if there are none.
DateReading = Literal["clock", "step", "either", ""]
_NUMBER = re.compile(r"(?a:\d+(\.\d+)?([eE][+-]?\d+)?)")
# As many digits as hours, hours and minutes, hours to seconds, or the seconds of a day have.
CLOCK_DIGITS = (2, 4, 6, SECONDS_OF_DAY)


def reading_of_dates(paths: Iterable[str]) -> DateReading:
    """What the numbers behind dates are in the names of these files.

    They are steps if one of them is no time of day, and times of day if they do not count up with the dates.
    Otherwise the reading counts in which they go up more evenly; if that is both, a person must decide.

    >>> reading_of_dates(["a_20240115_000000.h5", "a_20240115_000075.h5"])
    'step'
    >>> reading_of_dates(["a_20240115_180000.h5", "a_20240116_000000.h5"])
    'clock'
    >>> reading_of_dates(["a_20240115_000000.h5", "a_20240115_000100.h5"])
    'either'
    """
    runs: dict[str, list[tuple[str, str]]] = {}
    for path in paths:
        folder, slash, name = path.rpartition("/")
        found = DATE_AND_NUMBER.search(name)
        if found:
            rest = f"{folder}{slash}{name[: found.start()]}*{name[found.end() :]}"
            runs.setdefault(rest, []).append((found["date"], found["number"]))

    pairs = list(chain.from_iterable(runs.values()))
    if not pairs:
        return ""
    if not all(is_time_of_day(number) for _, number in pairs):
        return "step"
    return _of_times_of_day([sorted(run) for run in runs.values() if len(run) > 1])


def _of_times_of_day(runs: Sequence[Sequence[tuple[str, str]]]) -> DateReading:
    """The same for numbers that are all times of day, of the runs with several files."""
    if not runs:
        return "clock"
    as_steps = min(_evenness([int(number) for _, number in run]) for run in runs)
    as_clocks = min(_evenness([step_number(f"{date}_{number}") for date, number in run]) for run in runs)
    if as_steps == 0 or as_clocks > as_steps:
        return "clock"
    return "either" if as_clocks == as_steps else "step"


def is_time_of_day(digits: str) -> bool:
    """Whether digits are a time of day.

    >>> is_time_of_day("235959"), is_time_of_day("000075"), is_time_of_day("21600"), is_time_of_day("86401")
    (True, False, True, False)
    """
    if len(digits) not in CLOCK_DIGITS:
        return False
    if len(digits) == SECONDS_OF_DAY:
        return int(digits) <= 86400
    hours, minutes, seconds = (int(digits[at : at + 2] or 0) for at in (0, 2, 4))
    return hours <= 24 and minutes < 60 and seconds < 60


def _evenness(values: Sequence[float]) -> int:
    """How evenly values go up: 3 in equal steps, 2 with gaps, 1 in steps that differ, 0 not always.

    The last step may be shorter, as that of a run that ends.
    """
    steps = [after - before for before, after in pairwise(values)]
    if min(steps) <= 0:
        return 0
    *inner, last = steps
    usual = min(inner, default=last)
    if any(step % usual for step in inner):
        return 1
    is_equal = all(step == usual for step in inner) and last <= usual
    return 3 if is_equal else 2


def go_up_together(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether the second number of each pair goes up with the first, which is in no other pair.

    A date may stay: many steps are written on one day.

    >>> go_up_together([("0", "20240115"), ("50", "20240115"), ("100", "20240116")])
    True
    >>> go_up_together([("0", "1"), ("0", "2")]), go_up_together([("0", "1"), ("50", "1")])
    (False, False)
    """
    if not all(is_date(text) or _NUMBER.fullmatch(text) for text in chain.from_iterable(pairs)):
        return False
    ordered = sorted((step_number(first), step_number(second)) for first, second in pairs)
    may_stay = all(is_date(second) for _, second in pairs)
    for (before, one), (after, other) in pairwise(ordered):
        if before == after or other < one or (other == one and not may_stay):
            return False
    return True
