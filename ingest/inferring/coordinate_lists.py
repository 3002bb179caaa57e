"""Finds the lists of coordinates and times among arrays without names of dimensions, by their own names."""

from __future__ import annotations

from collections import Counter

from ingest.contents.axis_names import (
    COUNTER_NAME,
    DOUBLED,
    PARAMETER_NAME,
    SPACE_NAMES,
    TIME_NAME,
    are_of_tensor,
    space_name,
    without_unit,
)
from ingest.contents.listing import ArrayInfo
from ingest.inferring.fields import component
from ingest.inferring.inferred_layout import CoordinateLists

LONGEST_LIST = 10**6
SPACE = ("x", "y", "z")


def coordinate_lists(usable: list[ArrayInfo]) -> CoordinateLists:
    """The lists of coordinates and times, found by their names; columns and meshgrids count as lists."""
    space: dict[str, ArrayInfo] = {}
    time = None
    grids = Counter(each.values for each in usable if space_name(_last_word(each)))
    lengths = Counter(each.lengths for each in usable)
    is_tensor = are_of_tensor(map(_last_word, usable))

    for each in usable:
        last = _last_word(each)
        if is_tensor and DOUBLED.fullmatch(last):
            continue
        if not 1 <= len(each.values) <= 3 or each.size > LONGEST_LIST:
            continue
        # T is a temperature if another array has the same shape, or ends with its axes.
        as_large = len(each.values) > 1 and (lengths[each.lengths] > 1 or _is_a_part(each, usable))
        is_called_time = TIME_NAME.fullmatch(each.name) or each.is_dates
        if is_called_time and len(each.values) <= 2 and not as_large:
            is_list = each.size > 1 or bool(each.pattern)
            if is_list and (time is None or COUNTER_NAME.fullmatch(time.name) or time.is_dates):
                time = each
            continue
        is_list = len(each.values) < 2 or grids[each.values] > 1 or last in "xyz"
        if space_name(last) and each.size > 1 and is_list:
            space.setdefault(space_name(last), each)

    ordered = {axis: space[axis] for axis in sorted(space, key=SPACE_NAMES.index)}
    # A plane has no third axis, although PLUTO stores its coordinates.
    meshes = [axis for axis, each in ordered.items() if len(each.values) > 1]
    axes_of_mesh = len(ordered[meshes[0]].values) - bool(ordered[meshes[0]].pattern) if meshes else 0
    for axis in meshes[axes_of_mesh:]:
        del ordered[axis]
    parameters = tuple(each for each in usable if each is not time and _is_parameter(each))
    return CoordinateLists(ordered if len(space) <= 3 else {}, time, parameters, volumes=_volumes(usable))


def is_third_mesh(each: ArrayInfo, lists: CoordinateLists) -> bool:
    """Whether it is the third coordinate of a plane, in the group of the other coordinates."""
    group = each.path.rpartition("/")[0]
    meshes = [one.path.rpartition("/")[0] for one in lists.space.values() if len(one.values) > 1]
    is_beside = bool(group) or bool(DOUBLED.fullmatch(each.name))
    return is_beside and group in meshes and space_name(each.name) != ""


def _volumes(usable: list[ArrayInfo]) -> frozenset[tuple[int, ...]]:
    """The shapes of three arrays that are called as the components of one vector along x, y and z."""
    found: dict[tuple[str, tuple[int, ...]], set[str]] = {}
    for each in usable:
        for stem, axis in component(each.name, SPACE):
            found.setdefault((stem, each.lengths), set()).add(axis)
    return frozenset(lengths for (_, lengths), axes in found.items() if len(axes) == len(SPACE))


def _last_word(each: ArrayInfo) -> str:
    """The last word of a path; for an array of a split, without the word of the split."""
    return each.name if each.split_pattern else without_unit(each.path).rpartition("/")[2]


def _is_parameter(each: ArrayInfo) -> bool:
    """Whether it is a list of numbers that is called by a parameter of the physics, or by runs."""
    is_list = len(each.values) == 1 and each.size > 1 and not each.pattern and not each.is_dates
    return is_list and bool(PARAMETER_NAME.fullmatch(each.name))


def _is_a_part(each: ArrayInfo, others: list[ArrayInfo]) -> bool:
    """Whether another array ends with the axes of this one, as u [2, x, y] ends with those of T [x, y]."""
    axes = len(each.lengths)
    ends = {other.lengths[-axes:] for other in others if len(other.lengths) > axes}
    begins = {other.lengths[:axes] for other in others if len(other.lengths) > axes}
    return each.lengths in ends and each.lengths not in begins
