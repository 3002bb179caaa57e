"""Finds the ends of an axis in attributes and single numbers: xmin and xmax, Lx, dx, extent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ingest.contents.listing import ArrayInfo, root_numbers
from ingest.formats.arrays import ArrayFile, whole
from shards.errors import SourceError

# Names of the lower and the upper end of an axis, in lower case.
ENDS = (
    *(("{}min", "{}max"), ("{}_min", "{}_max"), ("{}lo", "{}hi")),
    *(("{}_lower", "{}_upper"), ("{}.lower", "{}.upper")),
)
# Names of its length; the lower end is 0, unless one of these names states it.
LENGTHS = ("l{}", "l_{}", "{}_length", "length_{}", "{}length", "box_{}", "domain_{}")
LOWER = ("origin_{}", "{}_origin", "{}min", "{}_min")
# Names of the width of a cell.
WIDTHS = ("d{}", "d_{}", "delta_{}", "{}_spacing", "spacing_{}")
# Names of the width of the cells of all axes: one number, or a list.
ALL_WIDTHS = ("spacing", "grid_spacing", "cell_size", "cell_width", "pixel_size", "voxel_size")
# Names of lists with a number for each axis, and the names of single numbers that say the same.
LISTS = {**dict.fromkeys((*ALL_WIDTHS, "dx"), "d{}"), "origin": "origin_{}", "x0": "{}0"}
# Names of the length of all axes.
ALL_LENGTHS = ("l", "lbox", "box_size", "boxsize", "box_length", "domain_size", "domain_length")
# Names of lists with the lower and the upper end of each axis: x, then y.
ALL_ENDS = ("extent", "extents", "bounds", "domain", "limits", "box", "bbox")
# Groups in which programs describe their grid.
GROUPS = ("grid", "mesh", "domain", "geometry")

# Numbers by their names in lower case, each with its place.
Held = Mapping[str, tuple[str, float]]


@dataclass(frozen=True)
class StatedEnds:
    """The lower and upper end of an axis, and the places of the numbers that state them."""

    lower: float
    upper: float
    places: tuple[str, ...]
    # What is taken for granted.
    assumed: str = ""

    @property
    def words(self) -> str:
        return " and ".join(dict.fromkeys(self.places)) + (f"; {self.assumed}" if self.assumed else "")


def stated_ends(held: Sequence[Held], axis: str, cells: int) -> StatedEnds | None:
    """The ends of an axis of `cells` cells, in the first of these sets of numbers that states them."""
    for numbers in held:
        found = _by_both_ends(numbers, axis) or _by_length(numbers, axis, cells)
        if found is not None and -math.inf < found.lower < found.upper < math.inf:
            return found
    return None


def numbers_of_grid(
    arrays: ArrayFile, array: ArrayInfo, scalars: Sequence[ArrayInfo], axes: int
) -> Iterator[Held]:
    """Yields the numbers that may describe the grid of an array with `axes` axes of space: attributes of the
    file, of the groups above the array and of groups that are called grid; then arrays of one number.
    """
    parts = array.path.split("/")
    above = ["/".join(parts[:count]) for count in range(len(parts) + 1)]
    for place in dict.fromkeys((*above, *GROUPS)):
        try:
            held = root_numbers(arrays, place)
        except SourceError:
            continue
        # Of groups that are runs, each has its own.
        is_of_run = array.groups > 1 and place == array.run_group
        shown = array.each_run if is_of_run else place
        yield dict(_of_lists(arrays, place, axes)) | {
            name.lower(): (f"{shown}@{name}", number) for name, number in held.items()
        }
    yield dict(_of_arrays(arrays, scalars))


def _of_lists(arrays: ArrayFile, place: str, axes: int) -> Iterator[tuple[str, tuple[str, float]]]:
    """Yields the numbers of lists in attributes that state the length, the width of a cell, the lower end, or
    both ends, of each axis x, y, z.
    """
    for name, value in sorted(arrays.attributes(place).items()):
        numbers = np.empty(0) if isinstance(value, str | tuple) else np.asarray(value).reshape(-1)
        if numbers.dtype.kind not in "iuf":
            continue
        if name.lower() in ALL_LENGTHS and numbers.size in (2, 3):
            forms: tuple[str, ...] = ("l{}",)
        elif name.lower() in LISTS and numbers.size == axes > 1:
            forms = (LISTS[name.lower()],)
        elif name.lower() in ALL_ENDS and numbers.size in (4, 6):
            forms = ("{}min", "{}max")
        else:
            continue
        keys = [form.format(axis) for axis, form in product("xyz", forms)]
        for key, number in zip(keys, numbers.tolist(), strict=False):
            yield key, (f"{place}@{name}", number)


def _of_arrays(arrays: ArrayFile, scalars: Sequence[ArrayInfo]) -> Iterator[tuple[str, tuple[str, float]]]:
    for each in scalars:
        if each.size != 1 or each.pattern or each.groups > 1:
            continue
        try:
            number = float(whole(arrays.array(each.path)).reshape(-1)[0])
        except SourceError:
            continue
        yield each.name.lower(), (each.path, number)


def _by_both_ends(numbers: Held, axis: str) -> StatedEnds | None:
    for names in ENDS:
        found = [numbers[name] for each in names if (name := each.format(axis.lower())) in numbers]
        if len(found) == 2 and found[0][1] < found[1][1]:
            return StatedEnds(found[0][1], found[1][1], (found[0][0], found[1][0]))
    return None


def _by_length(numbers: Held, axis: str, cells: int) -> StatedEnds | None:
    """The ends by the length of the axis or the width of its cells, from its lower end or from 0."""
    lengths = [*_called(numbers, LENGTHS, axis), *_called(numbers, ALL_LENGTHS, axis)]
    if not lengths:
        widths = [*_called(numbers, WIDTHS, axis), *_called(numbers, ALL_WIDTHS, axis)]
        lengths = [(place, cells * width) for place, width in widths]
    lower = _called(numbers, LOWER, axis)
    if not lengths:
        return None
    place, length = lengths[0]
    if lower:
        return StatedEnds(lower[0][1], lower[0][1] + length, (lower[0][0], place))
    # It may as well be where something is put at the start.
    unsure = "".join(f", and {where} for no end" for where, _ in _called(numbers, ("{}0",), axis))
    return StatedEnds(0.0, length, (place,), f"the lower end is taken for 0{unsure}")


def _called(numbers: Held, names: Sequence[str], axis: str) -> list[tuple[str, float]]:
    """The numbers with these names, in their order; a length is above 0."""
    return [numbers[name] for each in names if (name := each.format(axis.lower())) in numbers]
