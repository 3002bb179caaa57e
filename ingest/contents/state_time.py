"""Finds the time of a single state: an attribute of file, group or array, or an array of one number."""

from __future__ import annotations

from pathlib import PurePosixPath

from ingest.contents.axis_names import COUNTER_NAME, TIME_NAME
from ingest.contents.listing import ArrayInfo
from ingest.contents.numbered_arrays import time_attribute
from ingest.formats.arrays import ArrayFile, only_number
from shards.program.console import printable

# Groups with attributes but without arrays (Gkeyll, Gadget and others).
HEADER_GROUPS = ("timeData", "time", "Time", "header", "Header", "info", "metadata")


def time_of_state(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> str:
    """The place of the time, as a recipe names it: `@time`, `state@time`, `info/time`; empty if unknown."""
    groups = set(HEADER_GROUPS)
    for each in listed:
        if not each.pattern:
            groups |= {parent.as_posix() for parent in PurePosixPath(each.path).parents}
    for group in ("", *sorted(groups - {"."})):
        name = time_attribute(arrays, group)
        if name:
            return f"{group}@{name}"
    times = [
        each.path
        for each in listed
        if each.size == 1
        and not each.pattern
        and not each.fault
        and (TIME_NAME.fullmatch(each.name) or each.is_dates)
    ]
    return min(times, key=lambda path: bool(COUNTER_NAME.fullmatch(path.rpartition("/")[2])), default="")


def time_in_group(arrays: ArrayFile, group: str) -> str:
    """The attribute with the time of a group of a state, its own or that of a header in it: `@time`,
    `/Header@Time`; empty if there is none.
    """
    for below in ("", *(f"/{header}" for header in HEADER_GROUPS)):
        name = time_attribute(arrays, f"{group}{below}")
        if name:
            return f"{below}@{name}"
    return ""


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
