"""Finds axes that were taken for runs, although other fields of the same grid and times lack them
(docs/decisions/0181-runs-are-of-all-fields.md).
"""

from __future__ import annotations

from dataclasses import replace

from ingest.contents.listing import ArrayInfo
from ingest.inferring.axis_orders import AxisOrder
from ingest.inferring.inferred_layout import CoordinateLists, Lengths, PlacedArray, Words, is_trajectory
from ingest.layout import CHANNEL, TIME, TRAJECTORY


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
    for place, (word, length) in enumerate(zip(order.words, array.lengths, strict=True)):
        if (
            is_trajectory(word)
            and length not in known
            and not shapes.isdisjoint(_lacking(array, order, place))
        ):
            words = (*order.words[:place], CHANNEL, *order.words[place + 1 :])
            return replace(order, words=_numbered(words))
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


def _numbered(words: Words) -> Words:
    """The words with the axes of trajectories that are left as n, or n1, n2, ..."""
    left = [word for word in words if is_trajectory(word)]
    names = [TRAJECTORY] if len(left) == 1 else [f"{TRAJECTORY}{number + 1}" for number in range(len(left))]
    renamed = dict(zip(left, names, strict=True))
    return tuple(renamed.get(word, word) for word in words)
