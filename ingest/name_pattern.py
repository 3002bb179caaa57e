"""Names with named parts: `{run}/out_{step}.h5` for files, `step_{step}/rho` for arrays in a file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count, pairwise
from textwrap import wrap

import numpy as np

# Parts that number or name the files of one run: its states, restart pieces, variables, tiles of its grid.
# All other parts name the run.
STEP, PIECE, VARIABLE, TILE = "step", "piece", "variable", "tile"
# The part of the name of an array that stands for the word of a split: u_{split}.
SPLIT_PART = "split"
# Pieces in folders of dates have several parts: {piece}/{piece2}/{piece3}.nc for 2020/01/31.nc.
PIECES = (PIECE, "piece2", "piece3", "piece4")
OF_ONE_RUN = (STEP, *PIECES, VARIABLE, TILE)

_PART = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
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
# 1p25 is 1.25: a name of a file may have one dot alone.
_NUMBER = rf"(?a:{DATE}|\d+(?:[.p]\d+)?(?:[eE][+-]?\d+)?)"
_DATE = re.compile(DATE)
_COMPACT_DATE = re.compile(_COMPACT, re.ASCII)
# Digits of the seconds of a day in a name.
SECONDS_OF_DAY = 5
_WILDCARDS = {"*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True)
class NamePattern:
    """A pattern of names: `{step}` is a number, other parts any text, `*` and `?` as in file patterns.

    A part never contains a `/`; a part that occurs twice has the same text in both places.

    >>> NamePattern("{run}/out_{step}.h5").match("re_100/out_0020.h5")
    {'run': 're_100', 'step': '0020'}
    """

    text: str

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The names of the parts in order, each once."""
        return tuple(dict.fromkeys(_PART.findall(self.text)))

    @property
    def glob(self) -> str:
        """The pattern with a `*` for each part, and for parts next to each other.

        >>> NamePattern("{case}{run}/out_{step}.h5").glob
        '*/out_*.h5'
        """
        return re.sub(r"\*+", "*", _PART.sub("*", self.text))

    @cached_property
    def told_apart(self) -> str:
        """The pattern with a named part in place of each `*`, so that each file that fits is told apart.

        >>> NamePattern("nu={nu}/*/out.h5").told_apart
        'nu={nu}/{run}/out.h5'
        """
        names = ("run" if number == 1 else f"run{number}" for number in count(1))
        unused = (name for name in names if name not in self.parts)
        return "".join(f"{{{next(unused)}}}" if letter in _WILDCARDS else letter for letter in self.text)

    @property
    def depth(self) -> int:
        """The number of folders in the pattern."""
        return self.text.count("/")

    def match(self, name: str) -> dict[str, str] | None:
        """The text of each part of a name; None if the name does not match."""
        found = self._regex.fullmatch(name)
        return found.groupdict() if found else None

    def matches(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """The names that match, with their parts."""
        found = {name: self.match(name) for name in names}
        return {name: parts for name, parts in found.items() if parts is not None}

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        """The same as a regular expression with a group per part."""
        pieces: list[str] = []
        seen: set[str] = set()
        for number, piece in enumerate(_PART.split(self.text)):
            # Text and names of parts alternate.
            if number % 2 == 0:
                pieces += [_WILDCARDS.get(letter, re.escape(letter)) for letter in piece]
            elif piece in seen:
                pieces.append(f"(?P={piece})")
            else:
                pieces.append(f"(?P<{piece}>{_NUMBER if piece == STEP else '[^/]+?'})")
                seen.add(piece)
        return re.compile("".join(pieces))


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


def is_part(text: str) -> bool:
    """Whether a text is one named part and nothing else.

    >>> is_part("{Re}"), is_part("Re{Re}")
    (True, False)
    """
    return _PART.fullmatch(text) is not None


def names_parts(text: str) -> bool:
    """Whether a pattern has named parts.

    >>> names_parts("out_*.h5"), names_parts("out_{step}.h5")
    (False, True)
    """
    return _PART.search(text) is not None


def filled(text: str, parts: Mapping[str, str]) -> str:
    """A text with the text of each part in its braces.

    >>> filled("run_{run}.json", {"run": "03"})
    'run_03.json'
    """
    return _PART.sub(lambda found: parts.get(found[1], found[0]), text)


def missing_steps(steps: list[float]) -> float | None:
    """The first missing number of a series whose strides are mostly equal; otherwise None.

    The last stride may be shorter, because solvers also write their last step.

    >>> missing_steps([0, 10, 20, 40, 50, 60])
    30
    >>> missing_steps([0, 7, 10, 40]) is None
    True
    """
    strides = [after - before for before, after in pairwise(steps)]
    # A name may hold a number that is too large for a float.
    if len(strides) < 3 or not all(map(math.isfinite, strides)):
        return None
    usual = sorted(strides)[len(strides) // 2]
    common = sum(_close(stride, usual) for stride in strides)
    if usual <= 0 or common < 0.6 * len(strides):
        return None
    for before, stride in zip(steps, strides, strict=False):
        times = stride / usual
        if times > 1.5 and _close(times, round(times)):
            return before + usual
    return None


def lie_apart(times: Sequence[float]) -> bool:
    """Whether times lie further apart towards the end, or more would be missing than are there: they are
    written so, and no file is lost (docs/decisions/0188-irregular-times.md).

    >>> lie_apart((0, 1, 2, 3, 4, 20, 210)), lie_apart((0, 1, 2, 4, 5)), lie_apart((0, 1, 2, 3, 5))
    (True, False, False)
    """
    strides = [after - before for before, after in pairwise(times)]
    usual = sorted(strides)[len(strides) // 2]
    first = next((at for at, stride in enumerate(strides) if stride > 1.5 * usual), len(strides))
    behind = strides[first:]
    # A single wide stride at the end may be a lost file.
    widens = len(behind) > 1 and min(behind) > 1.5 * usual
    return widens or times[-1] - times[0] > 2 * len(times) * usual


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-6 * max(abs(a), abs(b))
