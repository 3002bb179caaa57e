"""Infers the layout of a file with names of dimensions: NetCDF, xarray, HDF5 with scales or labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ingest.contents.axis_names import (
    COUNTER_NAME,
    SPACE_NAME,
    TIME_NAME,
    axis_word,
    is_space,
    letter,
    role,
)
from ingest.contents.listing import ArrayInfo
from ingest.contents.numbered_arrays import HOLE
from ingest.inferring.inferred_layout import (
    CoordinateLists,
    InferredLayout,
    Lengths,
    PlacedArray,
    Words,
    is_scalar,
)
from ingest.inferring.named_axes import (
    NamedAxes,
    all_named,
    coordinate_of,
    is_coordinate,
    swept_axes,
    with_swept_axes,
)
from ingest.inferring.staggered_grids import cells_between, claim, grids_of, on_faces_of, renamed
from ingest.layout import TIME


def layout_by_names(usable: list[ArrayInfo], supposed: str = "") -> InferredLayout | None:
    """The layout; None if dimensions have no names, or if no field has a dimension that is time.

    `supposed` is a dimension that is assumed to be time without a reason.
    """
    coordinates = {each.path: each for each in usable if is_coordinate(each)}
    named = [_supposing(each, supposed) for each in all_named(usable, coordinates)]
    swept = swept_axes(named)
    named = [with_swept_axes(each, swept) for each in named]
    fields = [each for each in named if TIME in each.words and each.space and len(each.space) <= 3]
    if not fields:
        return None

    grids = grids_of(fields)
    in_cells: list[NamedAxes] = []
    # Components on faces alone show the cells between them, although no field is there.
    model = cells_between(grids)
    if model is None:
        in_cells = grids[max(grids, key=lambda space: claim(space, grids))]
        model = _usual(in_cells)
    names = _unique_axes([word for word in model.words if word in model.space])
    lengths = renamed(PlacedArray(model.array, model.words).lengths, names)
    lists = _lists(model, names, lengths, usable, coordinates)

    constant = [each for each in named if TIME not in each.words and each.space == model.space]
    placed = tuple(
        PlacedArray(each.array, _words(each, names))
        for each in (*in_cells, *constant)
        if each.array not in lists.all and _fits(each, lengths, names)
    )
    on_faces = tuple(found for each in fields if (found := on_faces_of(each, model, names)))
    taken = {each.array.path for each in (*placed, *on_faces)}
    left = [each for each in usable if each not in lists.all and each.path not in taken]
    scalars = tuple(each for each in left if is_scalar(each, lengths))
    rest = tuple(each for each in left if each not in scalars)
    return InferredLayout(
        axes=tuple(names.values()),
        words=_words(model, names),
        lengths=lengths,
        lists=lists,
        fields=placed,
        scalars=scalars,
        rest=rest,
        axes_from="From the names of the dimensions.",
        time_from="" if supposed else _time_from(model),
        other_grids=_elsewhere(fields, model.space, taken),
        on_faces=on_faces,
        swept=swept,
    )


def _elsewhere(fields: list[NamedAxes], grid: frozenset[str], taken: set[str]) -> dict[str, tuple[str, ...]]:
    """The fields on other grids, or on this grid with other times: their axes, and their paths."""
    found: dict[str, tuple[str, ...]] = {}
    for each in fields:
        if each.array.path not in taken:
            axes = each.dimensions if each.space == grid else each.words
            key = ", ".join(axis.rpartition("/")[2] for axis in axes)
            found[key] = (*found.get(key, ()), each.array.path)
    return found


def _usual(fields: list[NamedAxes]) -> NamedAxes:
    """The first field of the axes and lengths that most have: some may have a time of their own."""
    words = Counter(each.words for each in fields).most_common(1)[0][0]
    alike = [each for each in fields if each.words == words]
    usual = Counter(each.array.lengths for each in alike).most_common(1)[0][0]
    return next(each for each in alike if each.array.lengths == usual)


def is_one_state_by_names(usable: list[ArrayInfo]) -> bool:
    """Whether all named dimensions are of space, so that the file holds one state."""
    coordinates = {each.path: each for each in usable if is_coordinate(each)}
    named = all_named(usable, coordinates)
    large = [each for each in named if len(each.space) >= 2]
    return bool(large) and not any(TIME in each.words for each in named)


def dimension_of_unknown_meaning(usable: list[ArrayInfo]) -> str:
    """The first dimension of the largest array that may be time; empty if there is none.

    Its other dimensions must be axes of space by their names or units.
    """
    coordinates = {each.path: each for each in usable if is_coordinate(each)}
    largest = max(all_named(usable, coordinates), key=lambda each: each.array.size)
    unknown = []
    for dimension in largest.dimensions:
        listed = coordinate_of(dimension, largest.array.path, coordinates)
        # A unit of length shows an axis of space, and so does its name.
        if dimension in largest.space and not is_space(dimension, listed.attributes if listed else {}):
            unknown.append(dimension)
    return unknown[0] if 0 < len(unknown) < len(largest.space) else ""


def _supposing(each: NamedAxes, dimension: str) -> NamedAxes:
    """The same array with this dimension as time."""
    words = tuple(TIME if word == dimension else word for word in each.words)
    return replace(each, words=words) if dimension else each


def _unique_axes(dimensions: list[str]) -> dict[str, str]:
    """A unique name for each axis, in the order of the file."""
    names: dict[str, str] = {}
    for dimension in dimensions:
        word = axis_word(dimension)
        number = 1
        while word in names.values():
            number += 1
            word = f"{axis_word(dimension)}_{number}"
        names[dimension] = word
    return names


def _words(each: NamedAxes, names: dict[str, str]) -> Words:
    return tuple(names.get(word, word) for word in each.words)


def _fits(each: NamedAxes, lengths: Lengths, names: dict[str, str]) -> bool:
    """Whether dimensions with the same name have the same length; in an untrusted file they may not."""
    found = renamed(PlacedArray(each.array, each.words).lengths, names)
    return all(lengths.get(word) == length for word, length in found.items())


def _lists(
    model: NamedAxes,
    names: dict[str, str],
    lengths: Lengths,
    usable: list[ArrayInfo],
    coordinates: dict[str, ArrayInfo],
) -> CoordinateLists:
    """The lists of coordinates, by the names of axes in the recipe, and the list of times."""
    space = {}
    time = None
    for word, dimension in zip(model.words, model.dimensions, strict=True):
        listed = coordinate_of(dimension, model.array.path, coordinates)
        listed = listed or _namesake(dimension, lengths.get(names.get(word, word)), usable)
        if listed is not None and word in names:
            space[names[word]] = listed
        elif word == TIME:
            time = listed or _other_times(dimension, model, usable)
    for axis in names.values():
        mesh = _meshgrid(axis, tuple(each for each in model.dimensions if each in names), usable)
        if axis not in space and mesh is not None:
            space[axis] = mesh
    return CoordinateLists(space, time)


def _meshgrid(axis: str, dimensions: Words, usable: list[ArrayInfo]) -> ArrayInfo | None:
    """The coordinate of an axis as an array along all axes of space: x_rho along eta_rho and xi_rho."""
    alike = [each for each in usable if each.dimensions == dimensions and len(dimensions) > 1]
    named = [each for each in alike if SPACE_NAME.fullmatch(each.name) and letter(each.name) == letter(axis)]
    # Positions in metres come before degrees.
    return min(named, key=lambda each: len(each.name), default=None) if letter(axis) else None


def _namesake(dimension: str, length: int | None, usable: list[ArrayInfo]) -> ArrayInfo | None:
    """The only list with the name and the length of a dimension, anywhere in the file: axes/x for label x."""
    alike = [each for each in usable if each.path.rpartition("/")[2] == dimension]
    found = [each for each in alike if each.lengths == (length,)]
    return found[0] if len(found) == 1 and not found[0].pattern else None


def _other_times(dimension: str, model: NamedAxes, usable: list[ArrayInfo]) -> ArrayInfo | None:
    """The times, if their name differs from the dimension: XTIME along Time, `{step}/time` of states."""
    if dimension == HOLE:
        steps = [each for each in usable if each.pattern and each.steps == model.array.steps]
        return next(
            (each for each in steps if TIME_NAME.fullmatch(each.name) and each.size == each.steps), None
        )
    along = [each for each in usable if each.dimensions == (dimension,)]
    times = [each for each in along if TIME_NAME.fullmatch(each.name) or role("", each.attributes) == "t"]
    return min(times, key=lambda each: bool(COUNTER_NAME.fullmatch(each.name)), default=None)


def _time_from(model: NamedAxes) -> str:
    """The reason why an axis is time."""
    dimension = model.dimensions[model.words.index(TIME)]
    if dimension == HOLE:
        return "a state for each number in the names"
    return f"the dimension {dimension}"
