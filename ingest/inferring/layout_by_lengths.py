"""Infers the layout of a file without names of dimensions, from lists of times and coordinates, and from
lengths.

All usual orders of axes get a score, and the best one is taken. If no list, series or counter shows which
axis is time, the result is only a proposal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, combinations, product

from ingest.contents.listing import ArrayInfo
from ingest.inferring.axis_orders import AxisOrder, length_of, orders_of, with_channels
from ingest.inferring.coordinate_lists import coordinate_lists, is_third_mesh
from ingest.inferring.inferred_layout import (
    CoordinateLists,
    InferredLayout,
    Lengths,
    PlacedArray,
    Words,
    is_scalar,
)
from ingest.inferring.partial_runs import are_named, with_channels_for_runs
from ingest.inferring.rival_orders import WORST, other_orders, rival_orders
from ingest.layout import CHANNEL, SINGLE_CELL, TIME, TRAJECTORY

# Attributes that count frames.
COUNTERS = re.compile(
    r"n_?t|n(um)?_?(frames|steps|timesteps|snapshots|times|outputs)|time_?steps|writes|T", re.IGNORECASE
)


def layout_by_lengths(
    usable: list[ArrayInfo], numbers: Mapping[str, float], cells: tuple[int, ...] = ()
) -> InferredLayout | None:
    """The layout that fits most arrays; None if no array is a field.

    `numbers` are attributes of the file, and `cells` the lengths of a grid that an attribute states.
    """
    lists = replace(coordinate_lists(usable), cells=cells)
    others = [each for each in usable if each not in lists.all and each.lengths]
    best = _most_telling(others, lists)
    if best is None and lists.time is not None and lists.time.size > 1:
        # As long as no axis of any array: it lists times of something else.
        others, lists = [*others, lists.time], replace(lists, time=None)
        best = _most_telling(others, lists)
    if best is None:
        return None

    model, likeliest = best
    order, *rivals = _orders_to_draft(model, likeliest, others, lists, numbers)
    layout = _sorted_by(usable, model, order, lists)
    return replace(
        layout,
        time_from=_time_from(model, order, lists, numbers),
        rivals=tuple(each.words for each in rivals),
    )


def _orders_to_draft(
    model: ArrayInfo,
    likeliest: AxisOrder,
    others: list[ArrayInfo],
    lists: CoordinateLists,
    numbers: Mapping[str, float],
) -> list[AxisOrder]:
    """The orders that are as likely as each other; the first of them is drafted.

    It is the one with samples last, which MATLAB writes; otherwise the one with the fewest channels, as it
    has the fewest fields. Of these, a volume comes first: it is easier to remove an axis than to add one.
    """
    orders = sorted(
        (likeliest, *_rivals(model, likeliest, lists, numbers)),
        key=lambda order: (order.words[-1] != TRAJECTORY, order.words.count(CHANNEL), -len(order.axes)),
    )
    channels = with_channels_for_runs(model, orders[0], others, lists)
    if channels is None or not _time_from(model, channels, lists, numbers):
        return orders
    return [channels] if are_named(model, channels) else _different([channels, *orders])


def _sorted_by(
    usable: list[ArrayInfo], model: ArrayInfo, order: AxisOrder, lists: CoordinateLists
) -> InferredLayout:
    """The arrays sorted into fields in the cells, fields on faces, parameters and the rest."""
    lengths = PlacedArray(model, order.words).lengths
    fields, left, on_faces, on_all_faces = [], [], [], []
    for each in usable:
        if each in lists.all:
            continue
        words = () if is_third_mesh(each, lists) else _fit(each, order, lengths)
        if words:
            fields.append(PlacedArray(each, words))
        elif faces := _on_faces(each, order, lengths):
            on_faces.append(faces)
        elif all_faces := _on_all_faces(each, order, lengths):
            on_all_faces.append(all_faces)
        else:
            left.append(each)

    scalars = tuple(each for each in left if is_scalar(each, lengths))
    rest = tuple(each for each in left if each not in scalars)
    return InferredLayout(
        axes=order.axes,
        words=order.words,
        lengths=lengths,
        lists=lists,
        fields=tuple(fields),
        scalars=scalars,
        rest=rest,
        axes_from=_axes_from(order, lengths, lists),
        other_orders=other_orders(model, order, lists),
        other_grids=_other_grids(rest, model, order),
        on_faces=tuple(on_faces),
        on_all_faces=tuple(on_all_faces),
    )


def _axes_from(order: AxisOrder, lengths: Lengths, lists: CoordinateLists) -> str:
    """From what the axes are known; empty if nothing says it."""
    if lists.space:
        return "From the lengths of the coordinates."
    stored = tuple(lengths[word] for word in order.words if word in order.axes)
    return "From the numbers of cells that the file states." if lists.cells == stored else ""


def _other_grids(
    rest: tuple[ArrayInfo, ...], model: ArrayInfo, order: AxisOrder
) -> dict[str, tuple[str, ...]]:
    """The fields on other grids, by the lengths of these."""
    found: dict[str, tuple[str, ...]] = {}
    for each in rest:
        if _is_on_another_grid(each, model, order):
            key = ", ".join(map(str, each.lengths))
            found[key] = (*found.get(key, ()), each.path)
    return found


def _is_on_another_grid(each: ArrayInfo, model: ArrayInfo, order: AxisOrder) -> bool:
    """Whether an array has as many axes and as many frames as the model, but other numbers of cells."""
    at = order.words.index(TIME)
    alike = len(each.lengths) == len(model.lengths) and bool(each.pattern) == bool(model.pattern)
    return alike and min(each.lengths) > 1 and each.lengths[at] == model.lengths[at]


def _rivals(
    model: ArrayInfo, chosen: AxisOrder, lists: CoordinateLists, numbers: Mapping[str, float]
) -> list[AxisOrder]:
    """The orders for which lists and attributes speak as much as for the chosen one."""
    is_timed = bool(_time_from(model, chosen, lists, numbers))
    return [
        each
        for each in rival_orders(model, chosen, lists)
        if bool(_time_from(model, each, lists, numbers)) == is_timed and (is_timed or lists.space)
    ]


def _different(orders: list[AxisOrder]) -> list[AxisOrder]:
    """The orders without those whose words came before."""
    return list({each.words: each for each in orders}.values())


def _most_telling(others: list[ArrayInfo], lists: CoordinateLists) -> tuple[ArrayInfo, AxisOrder] | None:
    """The array with the layout that fits most others, which is not always the largest, and this layout."""
    best = None
    best_key: tuple[int, float, int] = (0, 0.0, 0)
    for array in {each.lengths: each for each in others}.values():
        order = _best_order(array, lists)
        if order is None:
            continue
        lengths = PlacedArray(array, order.words).lengths
        fitting = sum(_fits(each, order, lengths) for each in others)
        key = (fitting, order.score, array.size)
        if key > best_key:
            best, best_key = (array, order), key
    return best


def _best_order(array: ArrayInfo, lists: CoordinateLists) -> AxisOrder | None:
    """The order of axes with the highest score; None if every score is too low."""
    grouped = array.groups > 1 or bool(array.pattern)
    if len(array.lengths) < (2 if lists.all or grouped else 3):
        return None
    best = max(orders_of(array, lists), key=lambda order: order.score, default=None)
    return best if best is not None and best.score > WORST else None


def _fit(array: ArrayInfo, order: AxisOrder, lengths: Lengths) -> Words:
    """The names of the axes of another array on the same grid; empty if it is not on the grid."""
    for fit in _parts_of(order):
        if len(fit) != len(array.lengths) or (TRAJECTORY in fit and TRAJECTORY not in order.words):
            continue
        if array.pattern and fit[0] != TIME:
            continue
        if not PlacedArray(array, fit).may_be_tensor(order.axes):
            # B [3, x, y, z] has no 3 by x components.
            continue
        pairs = zip(fit, array.lengths, strict=True)
        if all(word == CHANNEL or {SINGLE_CELL: 1, **lengths}[word] == length for word, length in pairs):
            return fit

    return ()


def _fits(array: ArrayInfo, order: AxisOrder, lengths: Lengths) -> bool:
    """Whether the array changes in time on this grid, or on the faces of its cells."""
    in_cells = TIME in _fit(array, order, lengths)
    on_faces = _on_faces(array, order, lengths) or _on_all_faces(array, order, lengths)
    return in_cells or on_faces is not None


def _on_faces(array: ArrayInfo, order: AxisOrder, lengths: Lengths) -> PlacedArray | None:
    """The array as one on the faces of the cells, with one value more along one axis; otherwise None."""
    for axis in order.axes:
        words = _fit(array, order, lengths | {axis: lengths[axis] + 1})
        if TIME in words and axis in words:
            return PlacedArray(array, words, faces=axis)
    return None


def _on_all_faces(array: ArrayInfo, order: AxisOrder, lengths: Lengths) -> PlacedArray | None:
    """The array as the components on the faces of all axes, with one value more along each; or None."""
    words = _fit(array, order, lengths | {axis: lengths[axis] + 1 for axis in order.axes})
    if TIME not in words or words.count(CHANNEL) != 1 or not set(order.axes) <= set(words):
        return None
    components = array.lengths[words.index(CHANNEL)]
    return PlacedArray(array, words) if components == len(order.axes) > 1 else None


def _parts_of(order: AxisOrder) -> Iterator[Words]:
    """Yields the words of other arrays on the grid of an order: without some of its other axes, or with
    components at their usual place.
    """
    words = order.words
    space = tuple(word for word in words if word in order.axes)
    others = [place for place, word in enumerate(words) if word not in order.axes]
    counts = range(len(others), -1, -1)
    dropped = chain.from_iterable(combinations(others, len(others) - count) for count in counts)
    parts = [_without(words, gone) for gone in dropped]
    # Of parts with as many axes, those with time come first.
    yield from sorted(parts, key=lambda part: (TIME not in part, CHANNEL in part))
    if words[-1] == TIME:
        return
    early = CHANNEL in words and words.index(CHANNEL) < words.index(space[0])
    # Species before the time say nothing of the components of a vector.
    places = (True, False) if words[0] == CHANNEL else (early,)
    leads: list[Words] = [(TRAJECTORY, TIME), (TIME,), (TRAJECTORY,), ()]
    for lead, channels, before in product(leads, (0, 1, 2), places):
        yield with_channels(lead, space, channels, before)


def _without(words: Words, gone: tuple[int, ...]) -> Words:
    return tuple(word for place, word in enumerate(words) if place not in gone)


def _time_from(
    model: ArrayInfo, order: AxisOrder, lists: CoordinateLists, numbers: Mapping[str, float]
) -> str:
    """The reason why the axis t is time; empty if there is none."""
    lengths = PlacedArray(model, order.words).lengths
    if model.pattern:
        return "a state for each number in the names"
    if lists.time is not None and length_of(lists.time) - lengths[TIME] in (0, 1):
        return f"the list of times {lists.time.path}"
    if model.unlimited == (order.words.index(TIME),):
        return "the axis that may grow"
    counter = next(
        (name for name, value in numbers.items() if COUNTERS.fullmatch(name) and value == lengths[TIME]), ""
    )
    return f"the attribute {counter}" if counter else ""
