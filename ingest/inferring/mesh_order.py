"""Finds the order of the axes from meshgrids: each coordinate changes along its own axis."""

from __future__ import annotations

import numpy as np

from ingest.contents.listing import ArrayInfo
from ingest.contents.number_lists import Values
from ingest.formats.arrays import ArrayFile, whole
from ingest.inferring.halo import in_order
from ingest.inferring.inferred_layout import InferredLayout
from shards.errors import SourceError


def with_mesh_order(arrays: ArrayFile, layout: InferredLayout) -> InferredLayout:
    """The layout with its axes named by the coordinate that changes along them, if the file shows it.

    Lengths cannot show it: X and Y [y, x] both have the shape of the field.
    """
    stored = [word for word in layout.words if word in layout.axes]
    space = tuple(layout.lengths[word] for word in stored)
    found: dict[int, str] = {}
    for axis in layout.axes:
        listed = layout.lists.space.get(axis)
        if listed is None or len(listed.values) < 2:
            return layout
        cells = meshgrid(arrays, listed, space)
        if cells is None:
            return layout
        changing = [place for place in range(len(space)) if np.ptp(cells, axis=place).any()]
        if len(changing) != 1:
            return layout
        found[changing[0]] = axis
    if len(found) != len(stored):
        return layout
    order = tuple(found[place] for place in range(len(stored)))
    return in_order(layout, order, "From the coordinates: each changes along one axis.")


def meshgrid(arrays: ArrayFile, listed: ArrayInfo, space: tuple[int, ...]) -> Values | None:
    """[*S] the coordinate of each cell at the first time; None if the array is unreadable or of other cells.

    `space` [S] are the lengths of the axes of the field, in the order in which they are stored.
    """
    try:
        values = whole(arrays.array(listed.path))
    except SourceError:
        return None
    # A plane of a volume has an axis of one cell.
    values = values.squeeze()
    if values.shape[-len(space) :] != space:
        return None
    cells: Values = values.reshape(-1, *space)[0]
    return cells
