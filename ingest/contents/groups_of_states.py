"""Refuses a file whose groups hold the states of a run each, as a/snap_0/rho, b/snap_0/rho.

The reasons are in docs/decisions/0184-groups-of-states.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.contents.axis_names import TIME_NAME
from ingest.contents.listing import ArrayInfo
from ingest.contents.numbered_arrays import HOLE, RUN_WORD
from ingest.contents.parameters import states_parameter
from ingest.contents.state_time import number_of_time, time_in_group
from ingest.formats.arrays import ArrayFile
from ingest.formats.natural_sort import steps_in
from shards.errors import SourceError
from shards.program.console import printable


def require_one_run_of_states(arrays: ArrayFile, listed: tuple[ArrayInfo, ...], where: str) -> None:
    """Raises SourceError if groups with states of equal names differ in their times, or are called by runs.

    Groups with equal times may be species or levels of one run.
    """
    alike: dict[tuple[str, frozenset[str]], list[str]] = {}
    for group, inner in _states_by_group(listed).items():
        alike.setdefault((group.rpartition("/")[0], frozenset(inner)), []).append(group)
    for (_, names), groups in alike.items():
        if len(groups) > 1 and (_are_called_by_runs(groups) or _have_other_times(arrays, groups, names)):
            named = printable(", ".join(groups[:3])) + (", ..." if len(groups) > 3 else "")
            raise SourceError(
                f"{where}: {named} hold the states of {len(groups)} runs, each in groups such as "
                f"{printable(min(names).partition('/')[0])}; expected one run per file; save each group as a "
                "file of its own, its attributes with it"
            )


def _states_by_group(listed: Sequence[ArrayInfo]) -> dict[str, list[str]]:
    """The patterns of states in groups below each group: snap_{step}/rho below a."""
    found: dict[str, list[str]] = {}
    for each in listed:
        before, hole, behind = each.pattern.partition(HOLE)
        group, _, state = before.rpartition("/")
        if group and hole and "/" in behind:
            found.setdefault(group, []).append(f"{state}{HOLE}{behind}")
    return found


def _are_called_by_runs(groups: Sequence[str]) -> bool:
    names = [group.rpartition("/")[2] for group in groups]
    words = [re.fullmatch(r"(.*?)[-_]?\d+", name) for name in names]
    return all(map(states_parameter, names)) or all(word and RUN_WORD.fullmatch(word[1]) for word in words)


def _have_other_times(arrays: ArrayFile, groups: Sequence[str], names: frozenset[str]) -> bool:
    """Whether the last states of the groups are at different times."""
    return len({_last_time(arrays, f"{group}/{min(names)}") for group in groups}) > 1


def _last_time(arrays: ArrayFile, pattern: str) -> float | None:
    """The time of the last state of a series; None if it states none."""
    last = list(steps_in(arrays.names(), pattern).values())[-1]
    head, _, tail = pattern.partition(HOLE)
    state = head + last + tail.partition("/")[0]
    place = time_in_group(arrays, state)
    if place:
        return number_of_time(arrays, f"{state}{place}")
    held = [name for name in arrays.names() if name.startswith(f"{state}/")]
    times = (name for name in held if TIME_NAME.fullmatch(name.rpartition("/")[2]))
    return number_of_time(arrays, next(times, ""))
