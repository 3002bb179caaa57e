"""Finds paths with the number of a state, which differs between files: PLUTO's Timestep_10/vars/rho."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ingest.contents.axis_names import space_name
from ingest.contents.combined_files import open_combined
from ingest.contents.listing import ArrayInfo
from ingest.contents.numbered_arrays import HOLE, NumberedArrays
from ingest.formats.arrays import ArrayFile, whole
from ingest.name_pattern import NamePattern

# Larger arrays are not read for a draft.
LARGEST = 10**7
_NUMBER = re.compile(r"\d+")


def with_step_paths(
    listed: tuple[ArrayInfo, ...], states: tuple[tuple[Path, ...], ...], variables: tuple[str, ...]
) -> tuple[ArrayInfo, ...]:
    """The arrays of the first of these files, with `{step}` in paths that have another number in the last.

    What is called as a coordinate, but has other values in the last file, is a field: theta, a temperature.
    """
    if len(states) < 2:
        return listed
    with open_combined(states[-1], variables) as last:
        names = frozenset(last.names())
        called = [each.path for each in listed if each.path in names and _is_called_as_coordinate(each)]
        changing: set[str] = set()
        if called:
            with open_combined(states[0], variables) as first:
                changing = {path for path in called if _differs(path, first, last)}
    return tuple(
        replace(each, pattern=each.path, steps=len(states))
        if each.path in changing
        else _with_step(each, names, len(states))
        for each in listed
    )


def _is_called_as_coordinate(each: ArrayInfo) -> bool:
    """Whether an array in a group is called as a coordinate, and has several axes as fields have."""
    if "/" not in each.path or each.pattern or each.fault or each.size > LARGEST:
        return False
    return len(each.values) > 1 and bool(space_name(each.name))


def _differs(path: str, first: ArrayFile, last: ArrayFile) -> bool:
    one, other = whole(first.array(path)), whole(last.array(path))
    return not np.array_equal(one, other, equal_nan=True)


def _with_step(each: ArrayInfo, names: Collection[str], states: int) -> ArrayInfo:
    if each.path in names or each.pattern:
        return each
    for found in _NUMBER.finditer(each.path):
        pattern = f"{each.path[: found.start()]}{HOLE}{each.path[found.end() :]}"
        if NamePattern(pattern).matches(names):
            return replace(each, pattern=pattern, steps=states)
    return each


def by_step(stored: str, fields: Iterable[ArrayInfo]) -> str:
    """The path with `{step}`, if it is in the group of a state.

    >>> from ingest.contents.listing import ArrayStorage
    >>> storage, pattern = ArrayStorage(), "Timestep_{step}/vars/rho"
    >>> rho = ArrayInfo("Timestep_7/vars/rho", (4, 5), "f8", storage, pattern=pattern)
    >>> by_step("Timestep_7@Time", [rho]), by_step("@Time", [rho])
    ('Timestep_{step}@Time', '@Time')
    """
    for each in fields:
        group = NumberedArrays(each.pattern, (each.path,)).group
        own = "/".join(each.path.split("/")[: group.count("/") + 1])
        if group and re.match(rf"{re.escape(own)}[@/]", stored):
            return group + stored[len(own) :]
    return stored
