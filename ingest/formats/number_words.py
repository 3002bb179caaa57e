"""Reads a number that a program wrote as text into an attribute: `100.5`, `t = 0.25`, `0.25 ms`.

See docs/decisions/0190-numbers-in-text.md.
"""

from __future__ import annotations

import re

from ingest.formats.dates import date_of
from ingest.name_numbers import is_date

# Only units of time may stand behind a number: 2 cells and 4 cores are no quantities.
_UNIT = (
    r"s|secs?|seconds?|ms|milliseconds?|us|microseconds?|ns|ps|fs|mins?|minutes?|h|hrs?|hours?|d|days?|years?"
)
# A number of several digits that begins with 0 counts: 0012. 2d and 3d are kinds of grids.
_NUMBER = r"[-+]?(?!0\d|[123]d\b)(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_WORDS = re.compile(
    rf"\s*(?:(?P<name>[A-Za-z]\w*)\s*[=:]\s*)?(?P<number>{_NUMBER})(?:\s*(?P<unit>{_UNIT}))?\s*", re.ASCII
)


def number_or_date_in(value: object, name: str) -> float | None:
    """The number in the text of an attribute, or the seconds since 1970 of a date; None if it is neither.

    >>> number_or_date_in("1970-01-02", "when"), number_or_date_in("t = 0.25", "sim_time")
    (86400.0, 0.25)
    """
    date = date_of(value)
    return number_in_words(value, name) if date is None else date


def number_in_words(value: object, name: str) -> float | None:
    """The number in the text of an attribute called `name`; None if it holds anything else, or is no text.

    >>> number_in_words("100.5", "Re"), number_in_words("t = 0.25", "time"), number_in_words("2 ms", "time")
    (100.5, 0.25, 2.0)
    >>> [number_in_words(text, "note") for text in ("t=0.5", "1.1.0", "0012", "20200131", "2 cells", "2d")]
    [None, None, None, None, None, None]
    """
    found = _found(value, name)
    return float(found["number"]) if found else None


def unit_in_words(value: object, name: str) -> str:
    """The unit of time behind the number in the text of an attribute; empty if there is none.

    >>> unit_in_words("0.5 ms", "time"), unit_in_words(0.5, "time")
    ('ms', '')
    """
    found = _found(value, name)
    return (found["unit"] or "") if found else ""


def _found(value: object, name: str) -> re.Match[str] | None:
    if not isinstance(value, str) or is_date(value.strip()):
        return None
    found = _WORDS.fullmatch(value)
    if found is None or not found["name"]:
        return found
    is_time = name == "t" or "time" in name.lower()
    is_own = found["name"].lower() in (name.lower(), *(("t", "time") if is_time else ()))
    return found if is_own else None
