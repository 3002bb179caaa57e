"""Finds on which side of the cells faces are, where an array has as many faces as cells.

The reasons are in docs/decisions/0147-sides-of-faces.md.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ingest.contents.axis_names import letter
from ingest.contents.number_lists import Values, values_of
from ingest.formats.arrays import ArrayFile, whole
from ingest.inferring.inferred_layout import InferredLayout, PlacedArray
from ingest.inferring.staggered_grids import is_across_faces
from ingest.layout import FacesSide
from shards.errors import SourceError

# How xgcm states where the values of an axis are, in cells: -0.5 on lower faces, 0.5 on upper ones.
SHIFT = "c_grid_axis_shift"
# Faces next to a cell are nearer than this, in cells; otherwise the lists have other units.
NEAR = 0.75


def with_face_sides(arrays: ArrayFile, layout: InferredLayout) -> InferredLayout:
    """The layout with the side of faces that an attribute or the coordinates of the faces state.

    Only arrays with as many faces as cells may have the faces of one side alone. Such arrays on the faces of
    levels are left out, because one face is absent, unless they are components.
    """
    sided = tuple(replace(each, faces_side=_side(arrays, layout, each)) for each in layout.on_faces)
    open_ended = [each for each in sided if _lacks_a_level(each, layout)]
    elsewhere = dict(layout.other_grids)
    for each in open_ended:
        key = ", ".join(each.array.dimensions)
        elsewhere[key] = (*elsewhere.get(key, ()), each.array.path)
    kept = tuple(each for each in sided if each not in open_ended)
    return replace(layout, on_faces=kept, other_grids=elsewhere)


def _lacks_a_level(each: PlacedArray, layout: InferredLayout) -> bool:
    """Whether an array has as many faces as levels, which are never periodic, and is no component."""
    as_many = each.lengths[each.faces] == layout.lengths[each.faces]
    return as_many and letter(each.faces) == "z" and not is_across_faces(each)


def _side(arrays: ArrayFile, layout: InferredLayout, each: PlacedArray) -> FacesSide | None:
    """The side in the order in which the axis is stored; None if the file does not state it."""
    if each.lengths[each.faces] != layout.lengths[each.faces]:
        return None
    # The axis of a series is in front of those of its arrays.
    place = each.words.index(each.faces) - (1 if each.array.pattern else 0)
    dimension = each.array.dimensions[place]
    cells = values_of(arrays, layout.lists.space.get(each.faces))
    try:
        shift = np.asarray(arrays.attributes(dimension).get(SHIFT, ())).reshape(-1)
        faces = whole(arrays.array(dimension)).reshape(-1)
    except SourceError:
        return None
    if shift.size == 1 and shift.dtype.kind in "if" and shift[0]:
        return "upper" if shift[0] > 0 else "lower"
    return None if cells is None else _side_of_lists(cells, faces)


def _side_of_lists(cells: Values, faces: Values) -> FacesSide | None:
    """The side of faces next to their cells.

    >>> _side_of_lists(np.array([0.5, 1.5]), np.array([1.0, 2.0]))
    'upper'
    >>> _side_of_lists(np.array([1.5, 0.5]), np.array([2.0, 1.0]))
    'lower'
    """
    if len(cells) != len(faces) or len(cells) < 2 or not np.diff(cells).all():
        return None
    behind = (faces - cells)[:-1] / np.diff(cells)
    if not np.isfinite(behind).all() or (abs(behind) > NEAR).any():
        return None
    if (behind > 0).all():
        return "upper"
    return "lower" if (behind < 0).all() else None
