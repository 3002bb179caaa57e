"""Reads dates in text or in numpy's datetime64 as seconds since 1970.

The reasons are in docs/decisions/0149-dates.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.formats.text_lists import is_list_of_text, words_of
from ingest.name_numbers import days_since_1970, is_date, step_number

# The unit of all dates that are read.
SINCE_1970 = "seconds since 1970-01-01"
# A longer list is not a list of times, and a longer text is not a date.
MOST_DATES, MOST_LETTERS = 2**20, 64
# How many seconds the units of datetime64 have; months are counted in days first.
_SECONDS = {"W": 604800, "D": 86400, "h": 3600, "m": 60, "s": 1}
_PARTS_OF_SECONDS = {"ms": 10**3, "us": 10**6, "ns": 10**9}
MOST_MONTHS = 12 * 10**4
_ZONE = r"\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?"
_CLOCK = r"(?P<hour>\d{1,2})(?::?(?P<minute>\d{2}))?(?::?(?P<second>\d{2})(?P<fraction>[.,]\d*)?)?"
# 2000-01-24_12:00:00, 2000-01-24T12:00Z, 2000/01/24 12:00:00.250+01:00.
_DATE = re.compile(
    rf"\s*(?P<day>-?\d{{4}}([-/])\d{{1,2}}\2\d{{1,2}})(?:[T_\s]+{_CLOCK}{_ZONE})?\s*", re.ASCII
)


def seconds_of_date(text: str) -> float | None:
    """The seconds since 1970 of a date; None if the text is not a date.

    >>> seconds_of_date("1970-01-02_01:00:00"), seconds_of_date("1970-01-01T00:00:00.25Z")
    (90000.0, 0.25)
    >>> seconds_of_date("19700102T01"), seconds_of_date("1970-01-01 01:00+01:00"), seconds_of_date("12.5")
    (90000.0, 0.0, None)
    """
    found = _DATE.fullmatch(text)
    if not found:
        return step_number(text.strip()) if is_date(text.strip()) else None
    year, month, day = (int(part) for part in re.split(r"(?<=\d)[-/]", found["day"]))
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))

    is_valid = 1 <= month <= 12 and 1 <= day <= 31 and hour <= 24 and minute < 60 and second <= 60
    if not is_valid:
        return None

    days = days_since_1970(year, month, day)
    fraction = float((found["fraction"] or "").replace(",", ".").rstrip(".") or 0)
    return 86400.0 * days + 3600 * hour + 60 * minute + second + fraction - _offset(found["zone"] or "Z")


def _offset(zone: str) -> int:
    """The seconds by which a time zone, such as +01:00, is ahead of UTC."""
    if not zone.startswith(("+", "-")):
        return 0
    seconds = 3600 * int(zone[1:3]) + 60 * int(zone[-2:])
    return -seconds if zone.startswith("-") else seconds


def date_of(attribute: object) -> float | None:
    """The seconds since 1970 of an attribute that is a date; None otherwise."""
    return seconds_of_date(attribute) if isinstance(attribute, str) else None


@dataclass(frozen=True)
class DateArray:
    """A list of dates as seconds since 1970 [T]; satisfies ingest.formats.arrays.Array."""

    where: str
    seconds: npt.NDArray[np.float64]
    unwritten: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.seconds.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.seconds.dtype

    def slab(self, *index: int | slice) -> npt.NDArray[np.float64]:
        return np.asarray(self.seconds[index])


def may_hold_dates(shape: tuple[int, ...] | None, dtype: np.dtype[Any]) -> bool:
    """Whether an array may be a list of dates: text [T], letters [T, letters], one text, or datetime64."""
    if shape is None or math.prod(shape) * dtype.itemsize > MOST_DATES * MOST_LETTERS:
        return False
    if dtype.kind == "M":
        unit, _ = np.datetime_data(dtype)
        return unit in ("Y", "M", *_SECONDS, *_PARTS_OF_SECONDS) and len(shape) <= 1
    return is_list_of_text(shape, dtype, MOST_DATES)


def dates_in(values: npt.NDArray[Any], where: str) -> DateArray | None:
    """The dates in an array of text or datetime64; None if one of its values is not a date."""
    if values.dtype.kind == "M":
        numpys = _numpys_seconds(values)
        return None if numpys is None else DateArray(where, numpys)
    seconds = _all_seconds(words_of(values))
    shape = values.shape[: len(values.shape) - (values.dtype == np.dtype("S1"))]
    return DateArray(where, seconds.reshape(shape)) if seconds.size else None


def _numpys_seconds(values: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    """The seconds since 1970 of datetime64, in floats: numpy's own units overflow. None if one is no date."""
    unit, count = np.datetime_data(values.dtype)
    numbers = values.astype(np.int64)
    if np.isnat(values).any():
        return None
    if unit in ("Y", "M"):
        months = np.abs(numbers.astype(np.float64)) * count * (12 if unit == "Y" else 1)
        if (months > MOST_MONTHS).any():
            return None
        numbers, unit, count = values.astype("M8[D]").astype(np.int64), "D", 1
    seconds = np.asarray(numbers, np.float64) * float(count * _SECONDS.get(unit, 1))
    return np.asarray(seconds / _PARTS_OF_SECONDS.get(unit, 1), np.float64)


def _all_seconds(words: Iterable[str]) -> npt.NDArray[np.float64]:
    """The seconds of all words; empty if one of them is not a date."""
    found = []
    for word in words:
        seconds = seconds_of_date(word)
        if seconds is None:
            return np.empty(0)
        found.append(seconds)
    return np.array(found, np.float64)
