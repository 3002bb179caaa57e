"""Names the layouts that a file allows next to the chosen one (docs/decisions/0145-layouts-alike.md).

Where no list decides, others that are nearly as likely are named too (docs/decisions/0155).
A short axis may be one of space (docs/decisions/0182).
"""

from __future__ import annotations

from collections.abc import Iterable

from ingest.contents.listing import ArrayInfo
from ingest.inferring.axis_orders import AxisOrder, is_stack, orders_of
from ingest.inferring.inferred_layout import CoordinateLists, Words, is_trajectory
from ingest.layout import CHANNEL, SINGLE_CELL, TIME, TRAJECTORY

# A layout with a lower score is refused.
WORST = -1.0
# Another order is reported if its score is at most this much lower.
NEARLY = 3.0


def rival_orders(array: ArrayInfo, chosen: AxisOrder, lists: CoordinateLists) -> tuple[AxisOrder, ...]:
    """The orders for which lists of the file speak as much as for the chosen one, and that mean something
    else; x and y may always change places.

    Channels or runs may always be cells of a third axis that is not the longest, unless lists state the axes.
    """
    orders = [each for each in orders_of(array, lists) if each.shown >= chosen.shown]
    alike = [each for each in orders if len(each.axes) == len(chosen.axes) and not array.pattern]
    may_be_volume = len(chosen.axes) == 2 and not is_stack(array)
    volumes = [
        each for each in orders if len(each.axes) == 3 and _longest(array, each) == _longest(array, chosen)
    ]
    return _nearly(array, chosen, [*alike, *(volumes if may_be_volume else [])])


def _longest(array: ArrayInfo, order: AxisOrder) -> int:
    """The cells of the longest axis of space."""
    pairs = zip(order.words, array.lengths, strict=True)
    return max(length for word, length in pairs if word in order.axes)


def other_orders(array: ArrayInfo, chosen: AxisOrder, lists: CoordinateLists) -> tuple[str, ...]:
    """Orders that are nearly as likely, each with what it would mean, where no list decides."""
    if lists.space or array.pattern or array.groups > 1 or len(array.lengths) < 4:
        return ()
    # Runs may also come last, as MATLAB and neural operators store them.
    choices = (("x", "y"), ("x", "y", "z"))
    last = [(axes, (*axes, TIME, TRAJECTORY)) for axes in choices]
    last += [(axes, (TIME, *axes[::-1], TRAJECTORY)) for axes in choices]
    orders = (each for each in orders_of(array, lists, last) if SINGLE_CELL not in each.words)
    found = _nearly(array, chosen, orders)
    return tuple(f'"{" ".join(each.words)}": {meaning(each.words, array.lengths)}' for each in found)


def meaning(words: Words, lengths: tuple[int, ...]) -> str:
    """What an order says of an array.

    >>> meaning(("n", "c", "t", "x", "y"), (6, 3, 9, 16, 24))
    '6 trajectories, 3 channels, 9 frames, x 16, y 24'
    """
    names = {CHANNEL: "channels", TIME: "frames"}
    said = []
    for word, length in zip(words, lengths, strict=True):
        if word == SINGLE_CELL:
            continue
        name = "trajectories" if is_trajectory(word) else names.get(word)
        said.append(f"{length} {name}" if name else f"{word} {length}")
    return ", ".join(said)


def _nearly(array: ArrayInfo, chosen: AxisOrder, orders: Iterable[AxisOrder]) -> tuple[AxisOrder, ...]:
    """The best four orders of other kinds than the chosen one, whose scores are nearly as high."""
    found: dict[Words, AxisOrder] = {}
    for each in sorted(orders, key=lambda each: -each.score):
        if each.score > max(WORST, chosen.score - NEARLY) and _kinds(array, each) != _kinds(array, chosen):
            found.setdefault(_kinds(array, each), each)
    return tuple(found.values())[:4]


def _kinds(array: ArrayInfo, order: AxisOrder) -> Words:
    """The words of an order, all axes of space alike; one channel is as well a single cell."""
    words = ("" if word in order.axes else word for word in order.words)
    pairs = zip(words, array.lengths, strict=True)
    return tuple(SINGLE_CELL if word == CHANNEL and length == 1 else word for word, length in pairs)
