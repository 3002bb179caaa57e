"""The numbers and dates in names of files and groups: out_0020.h5, nu=0p05, 2020-01-31_06:30:00."""

from __future__ import annotations

import re
from textwrap import wrap

import numpy as np

# A date in a name, with or without a time of day: 2020-01-31_06:30:00, 0001-02, 2001_03_15, 20200131T0630.
_CLOCK = r"(?:[01]\d|2[0-3])"
_TIME_OF_DAY = rf"\d{{5}}(?!\d)|\d{{2}}(?:[:_-]?\d{{2}}){{1,2}}(?!\d)|{_CLOCK}(?!\d)"
_COMPACT = (
    r"(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"(?:[T_-]?" + _CLOCK + r"(?:[0-5]\d){0,2})?"
)
# ASCII digits alone: others would not be read as a number.
DATE = (
    r"(?a:(?<!\d)(?:"
    + _COMPACT
    + r"|\d{4}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01])(?:[T_-](?:"
    + _TIME_OF_DAY
    + r"))?)?"
    r"|(?:18|19|20)\d{2}_(?:0[1-9]|1[0-2])(?:_(?:0[1-9]|[12]\d|3[01]))?)(?!\d))"
)
# The sign of a number, where no word and no number is before it: rho_-0010, t=-0.5, but not out-0010.
SIGN = r"(?:(?<![A-Za-z0-9])[+-](?=\d))"
# The text of a `{step}`. 1p25 is 1.25: a name of a file may have one dot alone.
STEP_NUMBER = rf"(?a:{DATE}|{SIGN}?\d+(?:[.p]\d+)?(?:[eE][+-]?\d+)?)"
_DATE = re.compile(DATE)
_COMPACT_DATE = re.compile(_COMPACT, re.ASCII)
# Digits of the seconds of a day in a name.
SECONDS_OF_DAY = 5


def days_since_1970(year: int, month: int, day: int) -> int:
    """The days from 1 January 1970 to a date; raises ValueError for a month that does not exist.

    Some models have months of 30 days: 30 February is two days after the 28th.

    >>> days_since_1970(1970, 2, 1), days_since_1970(2001, 2, 30) - days_since_1970(2001, 2, 28)
    (31, 2)
    """
    return int(np.datetime64(f"{year:04d}-{month:02d}", "D").astype(int)) + day - 1


def step_number(text: str) -> float:
    """The number in the text of a `{step}`; for a date, the seconds since the start of 1970.

    >>> step_number("0020"), step_number("1970-01-02_01:00:00"), step_number("1970-02")
    (20.0, 90000.0, 2678400.0)
    >>> step_number("19700102T0100"), step_number("1970-01-02_01"), step_number("1p25")
    (90000.0, 90000.0, 1.25)
    """
    if not is_date(text):
        return parameter_number(text)
    year, month, *rest = _parts_of_date(text)
    days = days_since_1970(int(year), int(month), int(rest[0] if rest else 1))
    clock = "".join(rest[1:])
    # CESM writes the seconds of the day, others hours, minutes, seconds.
    if len(clock) == SECONDS_OF_DAY:
        return 86400.0 * days + int(clock)
    hours, minutes, seconds = map(int, wrap(clock.ljust(6, "0"), 2))
    return 86400.0 * days + 3600 * hours + 60 * minutes + seconds


def parameter_number(text: str) -> float:
    """The number that a parameter in a name stands for; raises ValueError for none.

    >>> parameter_number("1e-3"), parameter_number("0p05")
    (0.001, 0.05)
    """
    return float(re.sub(r"(?<=\d)p(?=\d)", ".", text))


def _parts_of_date(text: str) -> list[str]:
    """Year, month, day, and the parts that state the time of day."""
    if not _COMPACT_DATE.fullmatch(text):
        return re.findall(r"\d+", text)
    digits = re.sub(r"\D", "", text)
    return [digits[:4], digits[4:6], digits[6:8], *wrap(digits[8:], 2)]


def is_date(text: str) -> bool:
    """Whether a step is a date and not a number.

    >>> is_date("2020-01-31"), is_date("20200131"), is_date("0020")
    (True, True, False)
    """
    return _DATE.fullmatch(text) is not None
