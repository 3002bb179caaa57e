"""Finds ghost cells by attributes with one number per axis, as OPS and others write them.

The reasons are in docs/decisions/0150-halos-in-lists.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.formats.arrays import ArrayFile, readable_attributes
from ingest.inferring.halo import Halo, in_order
from ingest.inferring.inferred_layout import InferredLayout

# Names of the number of ghost cells.
GHOST_NAME = re.compile(
    r"(n(um(ber)?(_?of)?)?_?)?(ghost|guard|halo)_?(cell|zone|layer|point)?s?_?(size|width|depth)?|n_?g",
    re.IGNORECASE,
)
MOST_GHOSTS = 16
# Names of lists with the ghost cells below and above each axis; OPS (first) negates those below.
SIDES = (("d_m", "d_p"), ("halo_lower", "halo_upper"), ("ghost_lower", "ghost_upper"), ("ng_lo", "ng_hi"))
# Names of lists with the number of cells without ghost cells.
CELLS_WITHIN = re.compile(
    r"size|(n_?)?cells|(grid|global|domain|interior|inner|local|physical)_?(size|shape|cells|dims)?"
    r"|dims|shape|n|resolution",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ListedHalo:
    """The ghost cells in the attributes of a field, and the layout with its axes in their order."""

    layout: InferredLayout
    cells: Halo
    words: str
    # Whether a list of the inner cells agrees.
    is_proven: bool


def listed_halo(arrays: ArrayFile, layout: InferredLayout) -> ListedHalo | None:
    """The ghost cells that lists with one number per axis state; None if there are none.

    A list is in the order of the stored axes, or begins with x, which is then stored last.
    """
    stored = _axes_as_stored(layout)
    lengths = [layout.lengths[axis] for axis in stored]
    lists = _lists_of_axes(arrays, layout)
    stated, words = _sides(lists)
    inner = {
        name: [int(value) for value in values]
        for name, values in lists.items()
        if CELLS_WITHIN.fullmatch(name)
    }
    if any(cells in (lengths, lengths[::-1]) for cells in inner.values()):
        # As many cells are stored as the grid has.
        return None

    # In the order of the stored axes, then in the opposite order.
    for order, (name, values) in product((1, -1), inner.items()):
        cells = values[::order]
        sides = stated[::order] or _even_sides(lengths, cells)
        if not sides or _without_sides(lengths, sides) != cells:
            continue
        begins_with_x = order == -1 and cells != cells[::-1]
        seen = _with_x_last(layout, stored, name) if begins_with_x else layout
        proof = f"{words or 'more are stored'}, {name} = {', '.join(map(str, values))}"
        return ListedHalo(seen, _halo(_axes_as_stored(seen), sides), proof, is_proven=bool(stated))

    if not stated or min(_without_sides(lengths, stated)) <= 0:
        return None
    return ListedHalo(layout, _halo(stored, stated), words, is_proven=False)


def _axes_as_stored(layout: InferredLayout) -> list[str]:
    return [word for word in layout.words if word in layout.axes]


def _without_sides(lengths: Sequence[int], sides: Sequence[tuple[int, int]]) -> list[int]:
    """The number of cells of each axis that are no ghost cells."""
    return [length - lower - upper for length, (lower, upper) in zip(lengths, sides, strict=True)]


def _halo(axes: Sequence[str], pairs: Sequence[tuple[int, int]]) -> Halo:
    return {axis: pair for axis, pair in zip(axes, pairs, strict=True) if pair != (0, 0)}


def _lists_of_axes(arrays: ArrayFile, layout: InferredLayout) -> dict[str, npt.NDArray[Any]]:
    """The attributes of the first field, its group and the file that have one whole number per axis."""
    path, found = layout.variable[0].array.path, dict[str, npt.NDArray[Any]]()
    for place in (path, path.rpartition("/")[0], ""):
        for name, value in readable_attributes(arrays, place).items():
            values = np.asarray(value).reshape(-1)
            if values.dtype.kind in "iu" and len(values) == len(layout.axes) > 1:
                found.setdefault(name.lower(), values)
    return found


def _sides(lists: Mapping[str, npt.NDArray[Any]]) -> tuple[list[tuple[int, int]], str]:
    """The ghost cells below and above each axis, and the list that states them; empty if none does."""
    for lower, upper in SIDES:
        if lower in lists and upper in lists:
            pairs = [(abs(int(a)), abs(int(b))) for a, b in zip(lists[lower], lists[upper], strict=True)]
            return pairs, f"{lower} = {_plain(lists[lower])}, {upper} = {_plain(lists[upper])}"
    for name, values in lists.items():
        if GHOST_NAME.fullmatch(name) and (values >= 0).all() and values.any():
            return [(int(value), int(value)) for value in values], f"{name} = {_plain(values)}"
    return [], ""


def _plain(values: npt.NDArray[Any]) -> str:
    return ", ".join(map(str, values.tolist()))


def _even_sides(lengths: Sequence[int], cells: Sequence[int]) -> list[tuple[int, int]]:
    """The ghost cells if slightly more cells are stored than listed, half on each side; otherwise empty."""
    more = [length - count for length, count in zip(lengths, cells, strict=True)]
    if not any(more) or any(each < 0 or each % 2 or each > MOST_GHOSTS for each in more):
        return []
    return [(each // 2, each // 2) for each in more]


def _with_x_last(layout: InferredLayout, stored: Sequence[str], name: str) -> InferredLayout:
    """The layout with its axes named x, y, z from the last one on, if only lengths named them."""
    if not set(stored) <= set("xyz") or layout.lists.space or any(layout.variable[0].array.dimensions):
        return layout
    return in_order(layout, tuple("xyz"[: len(stored)][::-1]), f"CHECK: {name} lists x first.")
