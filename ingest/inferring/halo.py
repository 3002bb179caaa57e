"""Finds ghost cells in files that state numbers of cells and of halo cells, as Oceananigans does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations

from ingest.contents.listing import ArrayInfo, root_numbers
from ingest.formats.arrays import ArrayFile, only_number
from ingest.inferring.inferred_layout import InferredLayout, PlacedArray, Words
from shards.errors import SourceError

Halo = dict[str, tuple[int, int]]


def cell_counts(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> dict[str, float]:
    """The numbers such as `grid/Nx`, `grid/Hx` and `nx`, in arrays or attributes, by their last word."""
    found = {name: value for name, value in root_numbers(arrays).items() if _is_count(name)}
    for each in listed:
        last = each.path.rpartition("/")[2]
        if _is_count(last) and each.size == 1 and not each.fault:
            try:
                found[last] = only_number(arrays.array(each.path))
            except SourceError:
                continue
    return found


def _is_count(name: str) -> bool:
    return re.fullmatch("[NnH]_?[xyz]", name) is not None


def with_halo(layout: InferredLayout, counts: Mapping[str, float]) -> tuple[InferredLayout, Halo]:
    """The layout with its axes in the order that the counts of cells show, and the ghost cells of each axis.

    The layout is unchanged if the file has no counts.
    """
    letters = [axis for axis in layout.axes if f"N{axis}" in counts and f"H{axis}" in counts]
    if len(letters) != len(layout.axes):
        return layout, {}

    stored = [layout.lengths[word] for word in layout.words if word in layout.axes]
    full = {axis: counts[f"N{axis}"] + 2 * counts[f"H{axis}"] for axis in letters}
    # Julia stores arrays column by column: HDF5 shows the last axis first.
    for order in (tuple(letters), tuple(reversed(letters))):
        if [full[axis] for axis in order] == stored:
            halo = {axis: (int(counts[f"H{axis}"]), int(counts[f"H{axis}"])) for axis in letters}
            axes_from = "From the counts of cells, Nx and Hx."
            return in_order(layout, order, axes_from), {
                axis: pair for axis, pair in halo.items() if pair != (0, 0)
            }

    return layout, {}


def with_counted_axes(layout: InferredLayout, counts: Mapping[str, float]) -> InferredLayout:
    """The layout with its axes named by the numbers of cells that the file states: nx, ny.

    It is unchanged if the file names its axes otherwise, or if its numbers allow several orders, or none.
    """
    named = {name[-1]: value for name, value in counts.items() if name[0] in "nN"}
    stored = [layout.lengths[word] for word in layout.words if word in layout.axes]
    axes = [axis for axis in layout.axes if axis in named]
    if len(axes) < len(stored) or layout.lists.space or "dimensions" in layout.axes_from:
        return layout
    orders = [order for order in permutations(axes) if [named[axis] for axis in order] == stored]
    if len(orders) != 1:
        return layout
    said = f"From the numbers of cells that the file states, {', '.join(counts)}."
    return in_order(layout, orders[0], said)


def with_centres(layout: InferredLayout) -> InferredLayout:
    """The layout with the lists of cell centres of Oceananigans: xᶜᵃᵃ, as long as the axis with its halo."""
    lists = dict(layout.lists.space)
    for axis in layout.axes:
        centres = re.compile(rf"{axis}_?(ᵃ*ᶜᵃ*|a*ca*)")
        for each in layout.rest:
            is_list = centres.fullmatch(each.name) and each.lengths == (layout.lengths[axis],)
            if is_list and not each.fault:
                lists.setdefault(axis, each)
    rest = tuple(each for each in layout.rest if each not in lists.values())
    return replace(layout, lists=replace(layout.lists, space=lists), rest=rest)


def in_order(layout: InferredLayout, order: tuple[str, ...], axes_from: str) -> InferredLayout:
    """The layout with its stored axes renamed to those of `order`."""
    old = [word for word in layout.words if word in layout.axes]
    names = dict(zip(old, order, strict=True))

    def renamed(words: Words) -> Words:
        return tuple(names.get(word, word) for word in words)

    def all_renamed(placed: tuple[PlacedArray, ...]) -> tuple[PlacedArray, ...]:
        return tuple(
            replace(each, words=renamed(each.words), faces=names.get(each.faces, "")) for each in placed
        )

    return replace(
        layout,
        words=renamed(layout.words),
        lengths={names.get(word, word): length for word, length in layout.lengths.items()},
        fields=all_renamed(layout.fields),
        on_faces=all_renamed(layout.on_faces),
        on_all_faces=all_renamed(layout.on_all_faces),
        axes_from=axes_from,
    )
