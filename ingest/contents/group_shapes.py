"""Refuses groups of equal names whose arrays are on different grids: levels of refinement are no runs.

The reasons are in docs/decisions/0187-groups-on-other-grids.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

from ingest.contents.listing import ArrayInfo
from ingest.contents.solvers import LEVELS
from ingest.formats.arrays import ArrayFile
from shards.errors import SourceError
from shards.program.console import printable

# What a group is called that holds a level of refinement.
_LEVEL = re.compile(r"(amr|refine(ment)?|grid)?[-_]?(lev(el)?|lvl|rl)[-_]?\d+", re.IGNORECASE)
_OTHER_GRIDS = (
    "groups on different grids are no runs of one dataset; expected one grid; save the groups of each grid "
    "as files of their own, with a recipe each"
)
# How many groups are compared with the first.
MANY_COMPARED = 20


def require_equal_grids(arrays: ArrayFile, listed: Sequence[ArrayInfo], where: str) -> None:
    """Raises SourceError if arrays of the same name differ between groups in more than one axis, or in one
    if the groups are called levels: runs of one dataset differ in frames alone.
    """
    names = arrays.names()
    for each in listed:
        if each.groups == 1 or each.fault or len(each.values) < 2:
            continue
        inner = each.path.removeprefix(each.run_group)
        form = re.compile(re.escape(each.each_run).replace(r"\*", "[^/]+") + re.escape(inner))
        for name in list(filter(form.fullmatch, names))[: MANY_COMPARED + 1]:
            _require_equal(each, name, arrays.array(name).shape, where)


def _require_equal(first: ArrayInfo, name: str, shape: tuple[int, ...], where: str) -> None:
    own = first.shape or ()
    differing = sum(length != other for length, other in zip_longest(own, shape))
    are_levels = any(map(_LEVEL.fullmatch, first.run_group.split("/")))
    if differing == 0 or (differing == 1 and not are_levels):
        return
    sizes = f"{_size(first.path, own)} and {_size(name, shape)}"
    raise SourceError(f"{where}: {sizes}: {LEVELS if are_levels else _OTHER_GRIDS}")


def _size(path: str, shape: tuple[int, ...]) -> str:
    return f"{printable(path)} is {'×'.join(map(str, shape))}"
