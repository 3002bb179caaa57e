"""Reads numbers in other files: what differs within a run is no parameter, what differs between runs is one.

The reasons are in docs/decisions/0185-numbers-that-differ.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from ingest.contents.combined_files import open_combined
from ingest.drafting.side_numbers import SideNumber
from ingest.drafting.side_paths import spread
from ingest.fields.numbers_at import numbers_if_any
from ingest.formats.arrays import ArrayFile
from ingest.formats.open_any import located, open_arrays
from ingest.formats.run_files import RunFile, RunFiles
from ingest.name_numbers import parameter_number
from ingest.name_pattern import is_part
from shards.errors import SourceError

Numbers = tuple[float, ...]


def readable_numbers(arrays: ArrayFile, place: str) -> Numbers | None:
    """The numbers at a place as a recipe names it; None if there are none or they cannot be read."""
    try:
        return numbers_if_any(arrays, place)
    except SourceError:
        return None


def changing_places(places: set[str], arrays: ArrayFile, last: Path | None) -> set[str]:
    """The places with another number in the last file of the run: times, counters, sums."""
    if last is None:
        return set()
    with open_arrays(located(last)) as later:
        return {
            place
            for place in places
            if readable_numbers(later, place) not in (None, readable_numbers(arrays, place))
        }


def differing_numbers(
    places: Iterable[str], runs: Sequence[RunFiles], side_numbers: Sequence[SideNumber] = ()
) -> dict[str, tuple[Numbers, ...]]:
    """The numbers in some of the runs by place, where they differ: in the data, in their names, next to them.

    A place that one of these runs lacks is left out.
    """
    found = numbers_by_run(places, runs)
    for each in side_numbers:
        found[each.place] = [None if each.lacks else (value,) for value in each.values]
    whole = {place: tuple(filter(None, each)) for place, each in found.items() if None not in each}
    return {place: each for place, each in whole.items() if len(set(chain.from_iterable(each))) > 1}


def numbers_by_run(places: Iterable[str], runs: Sequence[RunFiles]) -> dict[str, list[Numbers | None]]:
    """The numbers at each place in some of the runs: one entry per run, None where a run has none."""
    found: dict[str, list[Numbers | None]] = {place: [] for place in places}
    for run in spread(runs):
        numbers = _numbers_in(run, found)
        for place, each in found.items():
            each.append(numbers.get(place))
    return found


def _numbers_in(run: RunFiles, places: Iterable[str]) -> dict[str, Numbers]:
    """The numbers at those places that the files of the first moment of a run have."""
    found: dict[str, Numbers | None] = {}
    first = run.files[0]
    files = [file for file in run.files if file.moment == first.moment]
    try:
        with open_combined([file.path for file in files], [file.variable for file in files]) as arrays:
            for place in places:
                found[place] = _in_name(first, place) if is_part(place) else readable_numbers(arrays, place)
    except SourceError:
        # The build says what is wrong with these files.
        return {}
    return {place: numbers for place, numbers in found.items() if numbers}


def _in_name(file: RunFile, place: str) -> Numbers | None:
    try:
        return (parameter_number(file.parts.get(place.strip("{}"), "")),)
    except ValueError:
        return None
