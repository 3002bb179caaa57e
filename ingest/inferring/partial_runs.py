"""Finds axes that were taken for runs, although other fields of the same grid and times lack them
(docs/decisions/0181-runs-are-of-all-fields.md).
"""

from __future__ import annotations

from dataclasses import replace

from ingest.contents.listing import ArrayInfo
from ingest.inferring.axis_orders import AxisOrder
from ingest.inferring.inferred_layout import CoordinateLists, Lengths, PlacedArray, is_trajectory
from ingest.layout import CHANNEL, TIME, TRAJECTORY, numbered


def with_channels_for_runs(
    array: ArrayInfo, order: AxisOrder, others: list[ArrayInfo], lists: CoordinateLists
) -> AxisOrder | None:
    """The order with channels in place of runs that only some of the fields have; None if all have them.

    A list of as many parameters shows that they are runs.
    """
    if array.has_runs_first or order.words.count(CHANNEL) > 1:
        return None
    shapes = {each.lengths for each in others}
    known = {each.values[0] for each in lists.parameters} | {_frames(array, order)}
    unnumbered = [TRAJECTORY if is_trajectory(word) else word for word in order.words]
    for place, (word, length) in enumerate(zip(order.words, array.lengths, strict=True)):
        if not is_trajectory(word) or length in known or shapes.isdisjoint(_lacking(array, order, place)):
            continue
        words = numbered([*unnumbered[:place], CHANNEL, *unnumbered[place + 1 :]])
        if PlacedArray(array, words).may_be_tensor(order.axes):
            return replace(order, words=words)
    return None


def _lacking(array: ArrayInfo, order: AxisOrder, place: int) -> set[tuple[int, ...]]:
    """The shapes of fields without the axis at a place: with the components of the array, and without."""
    others = list(zip(order.words, array.lengths, strict=True))
    del others[place]
    scalar = tuple(length for word, length in others if word != CHANNEL)
    return {scalar, tuple(length for _, length in others)}


def are_named(array: ArrayInfo, order: AxisOrder) -> bool:
    """Whether the file lists a name for each channel."""
    return bool(array.channels) and array.lengths[order.words.index(CHANNEL)] == len(array.channels)


def _frames(array: ArrayInfo, order: AxisOrder) -> int:
    lengths: Lengths = PlacedArray(array, order.words).lengths
    return lengths[TIME]
