"""Takes arrays on upper faces out of a draft: `faces` in a recipe reads lower ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ingest.formats.arrays import ArrayFile, whole
from ingest.inspecting.inferred_layout import InferredLayout, PlacedArray
from ingest.inspecting.number_lists import values_of
from shards.errors import SourceError

# How xgcm states where the values of an axis are, in cells: -0.5 on lower faces, 0.5 on upper ones.
SHIFT = "c_grid_axis_shift"


def without_upper_faces(arrays: ArrayFile, layout: InferredLayout) -> InferredLayout:
    """The layout with arrays on upper faces listed as fields of another grid.

    Only arrays with as many faces as cells may have upper faces alone. The coordinates of the faces, or an
    attribute of these, say so.
    """
    upper = [each for each in layout.on_faces if _is_upper(arrays, layout, each)]
    others = dict(layout.other_grids)
    for each in upper:
        grid = ", ".join(each.array.dimensions)
        others[grid] = (*others.get(grid, ()), each.array.path)
    kept = tuple(each for each in layout.on_faces if each not in upper)
    return replace(layout, on_faces=kept, other_grids=others)


def _is_upper(arrays: ArrayFile, layout: InferredLayout, each: PlacedArray) -> bool:
    if each.lengths[each.faces] != layout.lengths[each.faces]:
        return False
    # The axis of a series is in front of those of its arrays.
    place = each.words.index(each.faces) - (1 if each.array.pattern else 0)
    dimension = each.array.dimensions[place]
    cells = values_of(arrays, layout.lists.space.get(each.faces))
    try:
        shift = np.asarray(arrays.attributes(dimension).get(SHIFT, ())).reshape(-1)
        faces = whole(arrays.array(dimension)).reshape(-1)
    except SourceError:
        return False
    if shift.size == 1 and shift.dtype.kind in "if":
        return bool(shift[0] > 0)
    return cells is not None and faces.size > 0 and bool(faces[0] > cells[0])
