"""Finds the numbers and the parameters in the name of a file or a folder.

See docs/decisions/0093-names-of-files.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from ingest.contents.numbered_arrays import STEP_WORD
from ingest.contents.parameters import PHYSICS
from ingest.inspecting.dates_and_steps import DATE_AND_NUMBER
from ingest.name_numbers import DATE, SIGN
from ingest.name_pattern import OF_ONE_RUN

# Where a part of a name starts and stops.
Span = tuple[int, int]

# The years of a file: 195001-195912.
_YEARS = r"(?<!\d)(?:1[5-9]|2[0-3])\d{2,10}-(?:1[5-9]|2[0-3])\d{2,10}(?!\d)"
YEARS = re.compile(_YEARS)
# A date is one number, and so is a fraction: data_0.500000, rho_0.5s. Behind a word a long fraction is one
# of its own: out2.00010 is state 10 of output 2. So is one with 1d, 2d, 3d: out.1.2d.
NUMBER = re.compile(
    rf"{_YEARS}|{DATE}|(?<!\d)\d{{1,3}}p\d{{1,4}}(?![A-Za-z0-9])"
    rf"|{SIGN}?(?:(?<![A-Za-z0-9.])|(?<=[-_.]t)|(?<=time))\d+\.(?!{DATE})\d+(?:[eE][+-]?\d+)?(?=[-_/.A-Za-z])"
    rf"|{SIGN}?\d+(?:\.(?!{DATE}|[123][dD])\d{{1,4}}(?=[-_/.A-Za-z]))?"
)
# Re, Pr, Ra, nu.
_LONGEST_SYMBOL = 3


def numbers_in(name: str, *, dates_with_steps: bool) -> Iterator[Span]:
    """The places of numbers; where a number behind a date is a step, date and step are two.

    >>> list(numbers_in("out_20240115_0100.h5", dates_with_steps=True))
    [(4, 12), (13, 17), (19, 20)]
    """
    pairs = list(DATE_AND_NUMBER.finditer(name)) if dates_with_steps else []
    for pair in pairs:
        yield pair.span("date")
        yield pair.span("number")
    for number in NUMBER.finditer(name):
        if not starts_inside(number.span(), [pair.span() for pair in pairs]):
            yield number.span()


def parameters_in(
    name: str, pattern: re.Pattern[str], signed: Collection[str] = ()
) -> list[tuple[Span, str]]:
    """The place of the number of each parameter, and its name; times and steps do not count. A dash before
    the number of a `signed` parameter is its sign.

    >>> from ingest.contents.parameters import IN_FOLDERS
    >>> parameters_in("flow_Re=100_seed3", IN_FOLDERS)
    [((8, 11), 'Re')]
    """
    found: dict[str, Span] = {}
    for each in pattern.finditer(name):
        key = _parameter_name(each)
        # In field_t=0.5 the last word says what the number is; {piece} has a meaning of its own.
        is_parameter = not STEP_WORD.fullmatch(key.rpartition("_")[2]) and key not in OF_ONE_RUN
        if is_parameter:
            found.setdefault(key, each.span("value" if each["name"] else "number"))
    spans = []
    for key, (start, end) in found.items():
        has_sign = key in signed and name[start - 1] == "-"
        spans.append(((start - has_sign, end), key))
    return spans


def signed_parameters(names: Iterable[str], pattern: re.Pattern[str]) -> frozenset[str]:
    """The parameters whose number has a dash before it in some names, and none in others: it is a sign.

    >>> from ingest.contents.parameters import IN_FOLDERS
    >>> signed_parameters(["beta-0.5", "beta0.5", "nu-0.1"], IN_FOLDERS)
    frozenset({'beta'})
    """
    with_dash: dict[bool, set[str]] = {True: set(), False: set()}
    for name in names:
        for (start, _), key in parameters_in(name, pattern):
            with_dash[name[start - 1] == "-"].add(key)
    return frozenset(with_dash[True] & with_dash[False])


def _parameter_name(found: re.Match[str]) -> str:
    """The name of a parameter: of flow_Re=100 the symbol Re, of inlet_temperature=300 the whole."""
    name: str = found["name"] or found["plain"]
    last = name.rpartition("_")[2]
    return last if len(last) <= _LONGEST_SYMBOL and last.lower() in PHYSICS else name


def starts_inside(span: Span, others: Iterable[Span]) -> bool:
    return any(start <= span[0] < stop for start, stop in others)


def overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]
