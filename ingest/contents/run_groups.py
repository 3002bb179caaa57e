"""Finds the groups of a file that hold a run each: groups with arrays of equal names."""

from __future__ import annotations

import re
from collections.abc import Collection

from ingest.contents.axis_names import TIME_NAME, space_name, unit_in_name
from ingest.contents.numbered_arrays import RUN_WORD
from ingest.contents.parameters import states_parameter
from shards.schema import split_called


def groups_of_runs(names: tuple[str, ...], *, of_one_state: bool = False) -> tuple[dict[str, int], set[str]]:
    """The first group of each set of groups with arrays of equal names, with their number; all other groups.

    At the root any names will do, unless the file is one state of a run. There and further in groups may be
    components or species: each must be numbered and hold a list of times, or be called a run, or by a
    parameter.

    >>> groups_of_runs(("sims/0/u", "sims/0/t", "sims/1/u", "sims/1/t", "mesh/x"))
    ({'sims/0': 2}, {'sims/1'})
    """
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for group, inner in _by_group(names).items():
        above, _, last = group.rpartition("/")
        # Groups of coordinates (such as cells and nodes) are not runs, and a split holds many runs.
        is_apart = split_called(last) is not None or all(space_name(name) for name in inner)
        # HDF5 makes a group of a unit with a slash: u (m/s).
        is_apart = is_apart or any(unit_in_name(f"{group}/{name}") for name in inner if ")" in name)
        if not is_apart and ((not above and not of_one_state) or _is_numbered_run(last, inner)):
            alike.setdefault((above, inner), []).append(group)
    firsts: dict[str, int] = {}
    others: set[str] = set()
    for groups in alike.values():
        if len(groups) > 1:
            firsts[groups[0]] = len(groups)
            others.update(groups[1:])
    return firsts, others


def _is_numbered_run(group: str, inner: tuple[str, ...]) -> bool:
    """Whether a group in a group is a run: sims/0000 with a list of times, data/run_3, or cases/Re100."""
    if states_parameter(group):
        return True
    word = re.fullmatch(r"(.*?)[-_]?\d[\d.eE+-]*", group)
    has_times = any(TIME_NAME.fullmatch(name) for name in inner)
    return word is not None and (has_times or RUN_WORD.fullmatch(word[1]) is not None)


def in_each_run(group: str, firsts: Collection[str]) -> str:
    """The name of a group of a run in a recipe, with a * for each group that stands for others.

    >>> in_each_run("case_a/Re100", {"case_a": 2, "case_a/Re100": 3})
    '*/*'
    """
    # The group is above what it holds.
    above = groups_above(f"{group}/")
    return "/".join("*" if name in firsts else name.rpartition("/")[2] for name in above)


def groups_above(name: str) -> list[str]:
    """All groups that hold an array, from the outermost to its own.

    >>> groups_above("a/b/u")
    ['a', 'a/b']
    """
    words = name.split("/")
    return ["/".join(words[:depth]) for depth in range(1, len(words))]


def _by_group(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The names below each group, at any depth."""
    found: dict[str, list[str]] = {}
    for name in names:
        for group in groups_above(name):
            found.setdefault(group, []).append(name.removeprefix(f"{group}/"))
    return {group: tuple(inner) for group, inner in found.items()}
