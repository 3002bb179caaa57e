"""Finds what files, groups or arrays that are one state each say of their times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from ingest.contents.axis_names import TIME_NAME, unit_in_name
from ingest.contents.axis_names import TIME_UNITS as TIMES_IN_NAMES
from ingest.contents.listing import ArrayInfo, root_numbers
from ingest.contents.number_lists import values_of
from ingest.contents.numbered_arrays import HOLE, NumberedArrays
from ingest.contents.state_time import (
    counts_frames,
    places_in_group,
    places_of_time,
    time_in_group,
    time_of_state,
)
from ingest.drafting.other_files import readable_numbers
from ingest.drafting.table import FileLines
from ingest.fields.reference_dates import unit_of_dates, unit_of_times
from ingest.formats.arrays import ArrayFile
from ingest.formats.dates import date_of
from ingest.formats.natural_sort import steps_in
from ingest.formats.number_words import unit_in_words
from ingest.formats.open_any import located, open_arrays
from ingest.inspecting.folder_contents import FolderContents
from shards.program.console import printable

TIME_UNITS = {1.0: "s", 1e-3: "ms", 1e-6: "us", 1e-9: "ns", 1e-12: "ps", 1e-15: "fs", 1e-18: "as"}

# How many states are opened to see what their times are.
MANY_STATES = 12


@dataclass(frozen=True)
class StateTimes(FileLines):
    """The times of states: each in its own file of a folder, or in its own group or array of one file."""

    folder: FolderContents | None

    @property
    def exist(self) -> bool:
        """Whether frames are separate arrays, groups or files."""
        return self._are_in_files or any(each.array.pattern for each in self.layout.variable)

    @property
    def _are_in_files(self) -> bool:
        return self.folder is not None and self.folder.kind in ("states", "pieces")

    def place(self) -> tuple[str, str]:
        """The value of `stored` for the times of states, and a comment."""
        time = self.layout.lists.time
        if self._are_in_files:
            if time is not None:
                said = "dates" if time.is_dates else "times"
                return time.stored, f"the {said} of each file{'' if time.is_dates else _in_unit(time.unit)}"
            return self._time_of_files()
        if time is not None and time.pattern:
            return time.stored, f"one time per frame{_in_unit(time.unit)}"
        array, group = self._numbered, self._group
        place = time_in_group(self.arrays, self._first_of(group) if group else array.path)
        if place:
            name = place.partition("@")[2]
            return f"{group or array.pattern}{place}", f"the attribute {name} of each of them"
        return HOLE, "CHECK: the number in the names; if it counts steps, add step = 0.01"

    def other_places(self, stored: str) -> list[str]:
        """The other places of a number that may be the time of each of these states."""
        if self._are_in_files:
            places = places_of_time(self.arrays, self._listed)
        else:
            held = (*self.layout.lists.all, *self.layout.scalars, *self.layout.rest)
            series = [each for each in held if each.pattern and each.size == each.steps]
            places = [each.stored for each in series if TIME_NAME.fullmatch(each.name)]
            if self._group:
                in_group = places_in_group(self.arrays, self._first_of(self._group))
                places = [*(f"{self._group}{place}" for place in in_group), *places]
        return [place for place in places if place != stored and not counts_frames(place)]

    def moments(self, places: Sequence[str]) -> Iterator[tuple[str, dict[str, float]]]:
        """Yields the name of each of the first states, and the number at each of those places that it has."""
        if not self._are_in_files:
            steps = steps_in(self.arrays.names(), self._numbered.pattern).values()
            for step in islice(steps, MANY_STATES):
                places_of_step = {each: each.replace(HOLE, step) for each in places}
                yield f"step {step}", _numbers(self.arrays, places_of_step)
            return
        for moment in self.folder.series[:MANY_STATES] if self.folder is not None else ():
            with open_arrays(located(moment[0])) as arrays:
                yield moment[0].name, _numbers(arrays, {each: each for each in places})

    @property
    def _numbered(self) -> ArrayInfo:
        """The first array of which a file holds one per state."""
        return next(each.array for each in self.layout.variable if each.array.pattern)

    @property
    def _group(self) -> str:
        """The group of a state of a file, with `{step}`; empty if the arrays themselves are numbered."""
        return NumberedArrays(self._numbered.pattern, (self._numbered.path,)).group

    @property
    def _listed(self) -> tuple[ArrayInfo, ...]:
        """The arrays of a file that is a state: those with its number in their paths count like others."""
        arrays = (*(each.array for each in self.layout.fields), *self.layout.scalars, *self.layout.rest)
        return tuple(replace(each, pattern="") for each in arrays)

    def unit(self, stored: str) -> str:
        """The unit of the times of states; for dates, a unit that counts from the first."""
        time = self.layout.lists.time
        if stored == HOLE:
            if self.folder is not None and self.folder.dated:
                return unit_of_dates(self.folder.dates)
            letters = self._letters_behind_number
            return letters if letters in TIMES_IN_NAMES else ""
        if time is not None and stored == time.stored:
            times = values_of(self.arrays, time) if time.is_dates else None
            return time.unit if times is None else unit_of_dates(times.tolist())
        path, at, name = stored.partition("@")
        value = self.arrays.attributes(self._first_of(path)).get(name) if at else None
        date = date_of(value)
        if date is not None:
            return unit_of_dates([date])
        if not at:
            return unit_of_times(self.arrays, self._first_of(path)) or self._unit_of_openpmd(stored)
        return unit_in_words(value, name) or unit_in_name(name) or self._unit_of_openpmd(stored)

    def _first_of(self, path: str) -> str:
        """The group or array of the first step at a path with `{step}`; otherwise the path."""
        if HOLE not in path:
            return path
        array = next(each.array for each in self.layout.variable if HOLE in each.array.pattern)
        (step,) = steps_in([array.path], array.pattern).values()
        return path.replace(HOLE, step)

    def _unit_of_openpmd(self, stored: str) -> str:
        """The unit of a time attribute, if timeUnitSI next to it states its seconds."""
        path, at, _ = stored.partition("@")
        if not at:
            return ""
        seconds = root_numbers(self.arrays, self._first_of(path)).get("timeUnitSI", 0.0)
        if seconds <= 0:
            return ""
        return TIME_UNITS.get(seconds, f"{seconds!r} s")

    def _time_of_files(self) -> tuple[str, str]:
        """The value of `stored`, and a comment, if each file is a state."""
        assert self.folder is not None
        stored = time_of_state(self.arrays, self._listed)
        path, at, name = stored.partition("@")
        if stored:
            held = f"the attribute {name}{f' of {path}' if path else ''}" if at else path
            return stored, f"{printable(held)} of each file"
        if self.folder.dated:
            return HOLE, "the date in the names of the files"
        letters = self._letters_behind_number
        if letters in TIMES_IN_NAMES:
            return HOLE, f"CHECK: the number before {letters} in the names of the files"
        if letters:
            return (
                HOLE,
                f"CHECK: the number before {letters} in the names; if it is no time, these are no frames",
            )
        return HOLE, "CHECK: the number in the names of the files; if it counts steps, add step = 0.01"

    @property
    def _letters_behind_number(self) -> str:
        """The letters right behind the number of a state: `s` in rho_{step}s.npy."""
        found = re.search(r"\{step\}([A-Za-z]+)", self.folder.pattern) if self.folder is not None else None
        return found[1] if found else ""


def _numbers(arrays: ArrayFile, places: Mapping[str, str]) -> dict[str, float]:
    """The number at each of these places of a file that has one."""
    found = {name: readable_numbers(arrays, place) for name, place in places.items()}
    return {name: numbers[0] for name, numbers in found.items() if numbers and len(numbers) == 1}


def _in_unit(unit: str) -> str:
    return f", in {printable(unit)}" if unit else ""
