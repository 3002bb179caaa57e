"""Compares the places that say when a state is: an attribute and an array may contradict each other."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ingest.contents.numbered_arrays import HOLE
from ingest.drafting.state_times import TIME_UNITS, StateTimes
from ingest.fields.reference_dates import seconds_of
from shards.program.console import printable

# Times that differ by a smaller part of them are the same, stored in another type.
SAME = 1e-5
_SECONDS = {unit: seconds for seconds, unit in TIME_UNITS.items()}


def contradictions(states: StateTimes, stored: str) -> Iterator[str]:
    """Yields a comment on each place that states other times than the place `stored`, which is taken.

    What is the same in all states is no time. Times that count from a date are not compared with others.
    """
    others = states.other_places(stored) if stored != HOLE else []
    units = {place: states.unit(place) for place in (stored, *others)}
    if not others or any(" since " in unit for unit in units.values()):
        return
    moments = list(states.moments(list(units)))
    for other in others:
        factor = _factor(units[other], units[stored])
        both = [(name, held[stored], held[other]) for name, held in moments if {stored, other} <= held.keys()]
        moves = len({value for _, _, value in both}) > 1
        differing = [each for each in both if not _are_same(each[1], each[2] * factor)]
        if moves and differing:
            name, own, value = differing[0]
            said = f"{other} contradicts {stored}, which is taken: {value:g} and {own:g} in {name}"
            yield f"# CHECK: {printable(said)}."


def _are_same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=SAME, abs_tol=SAME * SAME)


def _factor(unit: str, wanted: str) -> float:
    """What turns times of one unit into those of another; 1 where one of them is unknown.

    >>> _factor("ms", "s"), _factor("", "s")
    (0.001, 1.0)
    """
    scales = [seconds_of(each) or _SECONDS.get(each) for each in (unit, wanted)]
    return scales[0] / scales[1] if scales[0] and scales[1] else 1.0
