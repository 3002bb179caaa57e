"""Converts times such as `days since 2020-02-01` to one date, because files of a run may count from
others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

import numpy as np

from ingest.formats.arrays import AttributedArrays
from ingest.name_numbers import days_since_1970
from ingest.name_pattern import names_parts
from shards.errors import SourceError

_SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
_SINCE = re.compile(
    r"\s*(?P<unit>\w+)\s+since\s+(?P<year>\d{1,4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"
    r"(?:[T\s]+(?P<clock>\d{1,2}(?::\d{1,2}){0,2})(?:\.0*)?)?\s*(?:Z|UTC|[+-]?0{1,2}:?(?:00)?)?\s*"
    r"(?:,\s*(?P<calendar>\w+) calendar)?"
)
# The starts of the years 1 and 10000, in seconds since 1970: a unit has four digits for the year.
FIRST_DATE, LAST_DATE = -62135596800, 253402300800
# Calendars with the same days between two dates as numpy.
OUR_CALENDARS = ("", "standard", "gregorian", "proleptic_gregorian")
# The days of each month, in calendars with years of equal length.
_MONTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_LEAP_MONTHS = (31, 29, *_MONTHS[2:])
EQUAL_YEARS = {
    **dict.fromkeys(("noleap", "365_day"), _MONTHS),
    **dict.fromkeys(("all_leap", "366_day"), _LEAP_MONTHS),
    "360_day": (30,) * 12,
}


def unit_of_times(arrays: AttributedArrays, stored: str) -> str:
    """The unit of the array of times, with its calendar if that is not ours; empty if there is none."""
    if not stored or "@" in stored or names_parts(stored) or stored not in arrays.names():
        return ""
    held = arrays.attributes(stored)
    unit, calendar = held.get("units", ""), str(held.get("calendar", "")).lower()
    if not isinstance(unit, str):
        return ""
    return unit if calendar in OUR_CALENDARS else f"{unit}, {calendar} calendar"


def seconds_of(unit: str) -> float | None:
    """How many seconds a unit of time has that does not count from a date; None if it is unknown.

    >>> seconds_of("Hours"), seconds_of("m")
    (3600.0, None)
    """
    return _SECONDS.get(unit.strip().lower())


def unit_of_dates(seconds: Sequence[float]) -> str:
    """The unit that counts from the first of these dates, which are given in seconds since 1970.

    It is the largest of days, hours and seconds that divides all steps.

    >>> unit_of_dates([90000.0, 90000.0 + 3600]), unit_of_dates([0.5])
    ('hours since 1970-01-02 01:00:00', 'seconds since 1970-01-01 00:00:00')
    """
    # The years 1 to 9999: other dates are counted from 1970.
    first = math.floor(seconds[0]) if FIRST_DATE <= seconds[0] < LAST_DATE else 0
    date = np.datetime64(first, "s").astype(str).replace("T", " ")
    steps = [each - first for each in seconds[1:]]
    for unit, scale in (("days", 86400.0), ("hours", 3600.0)):
        if first == seconds[0] and steps and all(step % scale == 0 for step in steps):
            return f"{unit} since {date}"
    return f"seconds since {date}"


def counted_in(times: tuple[float, ...], unit: str, wanted: str, where: str = "") -> tuple[float, ...]:
    """Converts times to the unit of a recipe if both units count from a date; otherwise returns them as is.

    Raises SourceError if one of two such units has a calendar or a scale that is unknown.

    >>> counted_in((0.0, 12.0), "hours since 2020-02-01", "days since 2020-01-01")
    (31.0, 31.5)
    >>> counted_in((0.0, 12.0), "hours since 2020-02-01", "h")
    (0.0, 12.0)
    >>> counted_in((0.0,), "days since 2001-03-01, noleap calendar", "days since 2000-02-01, noleap calendar")
    (393.0,)
    """
    if unit == wanted or " since " not in unit or " since " not in wanted:
        return times
    is_known = _scale_and_origin(unit) is not None and _scale_and_origin(wanted) is not None
    if not is_known or not _have_one_calendar(unit, wanted):
        raise SourceError(
            f"{where}: times in {unit!r} cannot be counted in {wanted!r}; write a recipe with unit = "
            f"{unit!r} in [time] for such files, or count all times from one date (cdo setreftime)"
        )
    return in_unit(times, unit, wanted, where)


def in_unit(times: Iterable[float], unit: str, wanted: str, where: str) -> tuple[float, ...]:
    """Converts times from one unit to another, both since a date.

    >>> in_unit((0.0, 12.0), "hours since 2020-02-01", "days since 2020-01-01 00:00:00", "a.nc")
    (31.0, 31.5)

    Raises SourceError if a unit is unknown, or has another calendar.
    """
    if unit == wanted:
        return tuple(times)
    own, other = _scale_and_origin(unit), _scale_and_origin(wanted)
    if own is None or other is None or not _have_one_calendar(unit, wanted):
        raise SourceError(
            f"{where}: times in {unit!r}, but {wanted!r} in the first file of the run; expected one unit; "
            "convert them to one, for example with xarray.open_mfdataset"
        )
    return tuple((time * own[0] + own[1] - other[1]) / other[0] for time in times)


def _have_one_calendar(unit: str, other: str) -> bool:
    """Whether two units count the same days: 365_day and noleap are one calendar."""
    found = [_SINCE.fullmatch(each) for each in (unit, other)]
    days = [EQUAL_YEARS.get(each["calendar"] or "") if each else None for each in found]
    return days[0] == days[1]


def _days(year: int, month: int, day: int, calendar: str) -> int:
    """The days to a date from one that is the same for all dates of a calendar.

    Raises ValueError for a month that does not exist, KeyError for an unknown calendar.
    """
    if not calendar:
        return days_since_1970(year, month, day)
    months = EQUAL_YEARS[calendar]
    if not 1 <= month <= len(months):
        raise ValueError(month)
    return year * sum(months) + sum(months[: month - 1]) + day - 1


def _scale_and_origin(unit: str) -> tuple[float, float] | None:
    """The seconds of a unit, and its date in seconds since 1970; None if the unit is unknown."""
    found = _SINCE.fullmatch(unit)
    if not found or found["unit"].lower() not in _SECONDS:
        return None
    try:
        days = _days(int(found["year"]), int(found["month"]), int(found["day"]), found["calendar"] or "")
    except (ValueError, KeyError):
        return None
    origin = 86400.0 * days
    clock = [float(part) for part in (found["clock"] or "0").split(":")]
    return _SECONDS[found["unit"].lower()], origin + sum(
        part * scale for part, scale in zip(clock, (3600, 60, 1), strict=False)
    )
