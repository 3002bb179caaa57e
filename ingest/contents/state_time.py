"""Finds the time of a single state: an attribute of file, group or array, or an array of one number."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from ingest.contents.axis_names import COUNTER_NAME, TIME_NAME
from ingest.contents.listing import ArrayInfo
from ingest.contents.numbered_arrays import attributes_of_time, time_attribute
from ingest.formats.arrays import ArrayFile, only_number
from shards.program.console import printable

# Groups with attributes but without arrays (Gkeyll, Gadget and others).
HEADER_GROUPS = ("timeData", "time", "Time", "header", "Header", "info", "metadata")


def time_of_state(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> str:
    """The place of the time, as a recipe names it: `@time`, `state@time`, `info/time`; empty if unknown."""
    for group in _groups_of_state(listed):
        name = time_attribute(arrays, group)
        if name:
            return f"{group}@{name}"
    times = [each.path for each in _arrays_of_time(listed)]
    return min(times, key=lambda path: bool(COUNTER_NAME.fullmatch(path.rpartition("/")[2])), default="")


def places_of_time(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> list[str]:
    """All places of a number that may be the time of a state, also of counters; not of dates."""
    places: list[str] = []
    for group in _groups_of_state(listed):
        places += [f"{group}@{name}" for name in attributes_of_time(arrays, group)]
    return [*places, *(each.path for each in _arrays_of_time(listed) if not each.is_dates)]


def _groups_of_state(listed: tuple[ArrayInfo, ...]) -> list[str]:
    """The groups with attributes that may be the time of a state: those above its arrays, and headers."""
    groups = set(HEADER_GROUPS)
    for each in listed:
        if not each.pattern:
            groups |= {parent.as_posix() for parent in PurePosixPath(each.path).parents}
    return ["", *sorted(groups - {"."})]


def _arrays_of_time(listed: tuple[ArrayInfo, ...]) -> list[ArrayInfo]:
    """The arrays of one number or date that are called as times are."""
    single = [each for each in listed if each.size == 1 and not each.pattern and not each.fault]
    return [each for each in single if TIME_NAME.fullmatch(each.name) or each.is_dates]


def time_in_group(arrays: ArrayFile, group: str) -> str:
    """The attribute with the time of a group of a state, its own or that of a header in it: `@time`,
    `/Header@Time`; empty if there is none.
    """
    for below in ("", *(f"/{header}" for header in HEADER_GROUPS)):
        name = time_attribute(arrays, f"{group}{below}")
        if name:
            return f"{below}@{name}"
    return ""


def places_in_group(arrays: ArrayFile, group: str) -> list[str]:
    """All attributes of the group of a state, and of headers in it, that may be its time."""
    below = ("", *(f"/{header}" for header in HEADER_GROUPS))
    places: list[str] = []
    for each in below:
        places += [f"{each}@{name}" for name in attributes_of_time(arrays, f"{group}{each}")]
    return places


def counts_frames(place: str) -> bool:
    """Whether a place is called as a counter of frames is."""
    return COUNTER_NAME.fullmatch(re.split("[/@]", place)[-1]) is not None


def number_of_time(arrays: ArrayFile, stored: str) -> float | None:
    """The number at the place of a time; None if there is none."""
    path, is_attribute, name = stored.partition("@")
    if is_attribute:
        return arrays.attribute(path, name)
    return only_number(arrays.array(path)) if path else None


def words_of_time(arrays: ArrayFile, stored: str) -> str:
    """The time as words for a sentence; empty if there is none.

    >>> words_of_time(None, "")
    ''
    """
    if not stored:
        return ""
    path, _, name = stored.partition("@")
    return f" ({printable(name or path)} = {number_of_time(arrays, stored):g})"
