"""Finds the lists of coordinates and times among arrays without names of dimensions, by their own names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

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
from ingest.inferring.component_names import component
from ingest.inferring.inferred_layout import CoordinateLists

LONGEST_LIST = 10**6
SPACE = ("x", "y", "z")


def coordinate_lists(usable: list[ArrayInfo]) -> CoordinateLists:
    """The lists of coordinates and times, found by their names; columns and meshgrids count as lists."""
    called_time: list[ArrayInfo] = []
    others: list[ArrayInfo] = []
    for each in _short_enough(usable):
        (called_time if _is_called_time(each, usable) else others).append(each)

    time = _list_of_times(called_time)
    space = _lists_of_space(others, usable)
    parameters = tuple(each for each in usable if each is not time and _is_parameter(each))
    space = _without_third_mesh(space) if len(space) <= 3 else {}
    return CoordinateLists(space, time, parameters, volumes=_volumes(usable))


def _short_enough(usable: list[ArrayInfo]) -> Iterator[ArrayInfo]:
    """Yields the arrays that may be lists or meshgrids; xx and yy are components if a tensor has them."""
    is_tensor = are_of_tensor(map(_last_word, usable))
    for each in usable:
        is_component = is_tensor and DOUBLED.fullmatch(_last_word(each))
        if not is_component and 1 <= len(each.values) <= 3 and each.size <= LONGEST_LIST:
            yield each


def _is_called_time(each: ArrayInfo, usable: list[ArrayInfo]) -> bool:
    """Whether an array is called as times are, and is not as large as a field.

    T is a temperature if another array has the same shape, or ends with its axes.
    """
    if len(each.values) > 2 or not (TIME_NAME.fullmatch(each.name) or each.is_dates):
        return False
    if len(each.values) < 2:
        return True
    of_same_shape = sum(other.lengths == each.lengths for other in usable)
    return of_same_shape < 2 and not _is_a_part(each, usable)


def _list_of_times(called_time: Sequence[ArrayInfo]) -> ArrayInfo | None:
    """The first list of times; one that counts frames, or holds dates, gives way to one behind it."""
    time = None
    for each in called_time:
        is_list = each.size > 1 or bool(each.pattern)
        if is_list and (time is None or COUNTER_NAME.fullmatch(time.name) or time.is_dates):
            time = each
    return time


def _lists_of_space(listed: Sequence[ArrayInfo], usable: list[ArrayInfo]) -> dict[str, ArrayInfo]:
    """The first list, column or meshgrid of each axis of space by its name, in the order of the axes."""
    grids = Counter(each.values for each in usable if space_name(_last_word(each)))
    space: dict[str, ArrayInfo] = {}
    for each in listed:
        last = _last_word(each)
        is_list = len(each.values) < 2 or grids[each.values] > 1 or last in "xyz"
        if space_name(last) and each.size > 1 and is_list:
            space.setdefault(space_name(last), each)
    return {axis: space[axis] for axis in sorted(space, key=SPACE_NAMES.index)}


def _without_third_mesh(space: dict[str, ArrayInfo]) -> dict[str, ArrayInfo]:
    """The lists without meshgrids of more axes than a meshgrid has: PLUTO stores a third one of a plane."""
    meshes = [axis for axis, each in space.items() if len(each.values) > 1]
    if not meshes:
        return space
    first = space[meshes[0]]
    beyond = meshes[len(first.values) - bool(first.pattern) :]
    return {axis: each for axis, each in space.items() if axis not in beyond}


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
