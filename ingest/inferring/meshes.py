"""Finds meshgrids among the fields: arrays called as positions, each of which changes along one axis."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from ingest.contents.axis_names import letter, space_name
from ingest.contents.number_lists import one_way
from ingest.formats.arrays import ArrayFile
from ingest.inferring.inferred_layout import InferredLayout, PlacedArray
from ingest.inferring.mesh_order import meshgrid
from ingest.layout import CHANNEL, TIME

# What an array of positions may be called, if its values are those of a meshgrid: XX, xg, lon2d, XZ.
_POSITION = re.compile(r"(x|y|z|lon|lat|longitude|latitude)[-_]?[a-z0-9]{0,5}", re.IGNORECASE)


def with_meshes(arrays: ArrayFile, layout: InferredLayout) -> InferredLayout:
    """The layout in which meshgrids are coordinates and no fields; at least two of them show each other.

    A field of its own may be called so, but it changes along one axis alone only by chance.
    """
    layout = _without_third_coordinate(arrays, layout)
    missing = [axis for axis in layout.axes if axis not in layout.lists.space]
    found: dict[str, PlacedArray] = {}
    for each in layout.fields if missing else ():
        along = _changes_along(arrays, layout, each)
        if along:
            # An axis that has the name of the array is meant, although it may be stored in another place.
            named = next((axis for axis in missing if letter(axis) == letter(each.array.name)), "")
            found.setdefault(named or along, each)
    lists = {axis: each.array for axis, each in found.items() if axis in missing}
    if len(lists) < 2:
        return layout
    fields = tuple(each for each in layout.fields if each not in found.values())
    space = {**layout.lists.space, **lists}
    ordered = {axis: space[axis] for axis in layout.axes if axis in space}
    return replace(layout, fields=fields, lists=replace(layout.lists, space=ordered))


def _without_third_coordinate(arrays: ArrayFile, layout: InferredLayout) -> InferredLayout:
    """The layout of a plane without its third coordinate, such as Z, which is the same in all cells."""
    if not layout.lists.space:
        return layout
    letters = {letter(axis) for axis in layout.axes}
    stored = tuple(layout.lengths[word] for word in layout.words if word in layout.axes)
    found = []
    for each in layout.fields:
        direction = letter(space_name(each.array.name))
        if direction in ("", *letters) or not (each.constant or each.array.pattern):
            continue
        cells = meshgrid(arrays, each.array, stored)
        if cells is not None and not np.ptp(cells):
            found.append(each)
    kept = tuple(each for each in layout.fields if each not in found)
    return replace(layout, fields=kept, rest=(*layout.rest, *(each.array for each in found)))


def _changes_along(arrays: ArrayFile, layout: InferredLayout, each: PlacedArray) -> str:
    """The only axis along which an array called as positions changes, one way; empty if it is no mesh."""
    words = [word for word in each.words if word not in (TIME, CHANNEL)]
    stored = [word for word in layout.words if word in layout.axes]
    is_called = _POSITION.fullmatch(each.array.name) or "degrees_" in each.array.unit
    is_of_states = each.constant or bool(each.array.pattern)
    if words != stored or len(words) < 2 or not is_called or not is_of_states:
        return ""
    cells = meshgrid(arrays, each.array, tuple(layout.lengths[word] for word in stored))
    if cells is None:
        return ""
    changing = [at for at in range(len(stored)) if np.ptp(cells, axis=at).any()]
    if len(changing) != 1:
        return ""
    line = np.moveaxis(cells, changing[0], 0).reshape(cells.shape[changing[0]], -1)[:, 0]
    return stored[changing[0]] if one_way(line) else ""
