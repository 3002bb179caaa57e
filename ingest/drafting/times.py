"""Drafts the times of a recipe."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ingest.contents.listing import ArrayInfo
from ingest.contents.number_lists import (
    NEXT_TO_IT,
    Values,
    are_compact_dates,
    even,
    one_way,
    out_of_order,
    span,
    values_of,
    why_no_times,
)
from ingest.contents.numbered_arrays import HOLE
from ingest.drafting.other_files import changing_places, readable_numbers
from ingest.drafting.other_times import contradictions
from ingest.drafting.side_numbers import SideNumber
from ingest.drafting.state_times import MANY_STATES, StateTimes
from ingest.drafting.table import FileLines, line
from ingest.drafting.time_steps import StatedStep, stated_steps
from ingest.fields.reference_dates import counted_in, unit_of_dates
from ingest.formats.dates import SINCE_1970
from ingest.formats.open_any import located, open_arrays
from ingest.formats.run_files import RunFiles
from ingest.inferring.means import time_of_means
from ingest.inferring.state_paths import by_step
from ingest.inspecting.folder_contents import FolderContents
from ingest.inspecting.restarting_times import Restart
from ingest.layout import TIME
from ingest.name_pattern import STEP, NamePattern
from shards.program.console import printable


@dataclass(frozen=True)
class TimeLines(FileLines):
    """The lines of the table [time]."""

    folder: FolderContents | None
    side_numbers: tuple[SideNumber, ...] = ()
    runs: Sequence[RunFiles] = ()

    @property
    def _states(self) -> StateTimes:
        return StateTimes(self.reader, self.folder)

    @property
    def _restart(self) -> Restart | None:
        """How times go on that begin again in each piece of a run."""
        return self.folder.restart if self.folder is not None else None

    def lines(self) -> list[str]:
        """The table [time], and the comments about means over time that its list of times states."""
        lines = self._rule_of_time()
        return [*lines, *time_of_means(self.arrays, self.layout)] if "[time]" in lines else lines

    def _rule_of_time(self) -> list[str]:
        """The rule for the times: a list, an attribute or number of each state, or a comment."""
        time = self.layout.lists.time
        if time is not None and "%Y" in time.unit:
            said = f"{printable(time.path)} holds dates as numbers, {printable(time.unit)}"
            return ["", f"# {said}: convert them to times with cdo -r copy.", *self._open_time()]
        if self._states.exist and not (time is not None and time.place):
            return self._rule_of_states()
        times = values_of(self.arrays, time)
        if time is None or times is None:
            return ["", *self._open_time()]
        return self._rule_of_list(time, times)

    def _rule_of_states(self) -> list[str]:
        """The rule where each file, group or array is a state: what it says of its time, or its number."""
        stored, note = self._states.place()
        if stored == HOLE and self.folder is not None:
            if not self.folder.counts_on:
                # The number of a piece, or of a day in a folder of its month, is no time.
                return ["", *self._open_time()]
            if self.folder.date_or_step:
                return ["", *_date_or_step(self.folder)]
        numbers = self._first_numbers(stored)
        if are_compact_dates(numbers):
            return ["", _convert(stored, numbers), *self._open_time()]
        unit = self._states.unit(stored)
        if self._restart is not None and not self._restart.offset:
            return ["", *self._step_of_pieces(self._restart)]
        place, stored = stored, by_step(stored, (each.array for each in self.layout.variable))
        more = [*self._offset_of_pieces(), *([line("unit", unit)] if unit else [])]
        step = self._solver_step
        if stored == HOLE and step is not None and not unit:
            values = f", {step.words}" if isinstance(step.rule, str) else ""
            said = printable(f"{step.name}{values}, multiplied by the number")
            more = [f"{line('step', step.rule)}  # CHECK: {said}"]
            note = "CHECK: the number in the names, if it counts steps of the solver"
        doubts = contradictions(self._states, place)
        return ["", *doubts, "[time]", f"{line('stored', stored)}  # {note}", *more]

    def _first_numbers(self, stored: str) -> Values:
        """The times of the first states in files, or of the first piece; none for numbers in the names."""
        if self.folder is None or HOLE in stored:
            return np.empty(0)
        found: list[float] = []
        for moment in self.folder.series[:MANY_STATES] or ((self.folder.first,),):
            with open_arrays(located(moment[0])) as arrays:
                found += readable_numbers(arrays, stored) or ()
        return np.array(found)

    def _offset_of_pieces(self) -> list[str]:
        """The offset of times that begin again in each piece of a run, if they do."""
        restart = self._restart
        if restart is None:
            return []
        note = f"CHECK: {restart.why}" if restart.why else "says when each file begins; its times begin again"
        return [f"{line('offset', restart.offset)}  # {note}"]

    def _step_of_pieces(self, restart: Restart) -> list[str]:
        """The step of frames of pieces that begin again one step after the end of the one before."""
        time = self.layout.lists.time
        units = [line("unit", time.unit)] if time is not None and time.unit else []
        said = f"# CHECK: times begin again in each file, but {restart.why}: frames are counted."
        if not restart.step:
            return [said, *self._open_time()]
        return [said, "[time]", line("step", restart.step), *units]

    def _rule_of_list(self, time: ArrayInfo, times: Values) -> list[str]:
        """The rule for a list of times: its path, its start and end, or why it cannot be taken."""
        frames = self.layout.lengths[TIME]
        if are_compact_dates(times):
            return ["", _convert(time.path, times), *self._open_time()]
        if time.is_dates:
            unit = unit_of_dates(times.tolist())
            times = np.array(counted_in(tuple(times.tolist()), SINCE_1970, unit))
            time = replace(time, attributes={"units": unit})

        units = [line("unit", time.unit)] if time.unit else []
        along = self.layout.swept_axes_of(time, time.lengths[:-1])
        if len(along) > 1:
            axes, choice = " or ".join(along), line("stored", f"{time.stored}[{along[0]}]")
            said = (
                f"# DECIDE: {printable(time.path)} has times for each run along {axes}; write one: {choice}"
            )
            return ["", said, *self._open_time()]
        if one_way(times) and times[0] < times[-1]:
            if len(times) == frames:
                in_a_file = bool(time.place) and "@" not in time.place
                note = f"{NEXT_TO_IT if in_a_file else ''}{span(times, 'frame', time.unit)}"
                stored = f"{time.stored}[{along[0]}]" if along else time.stored
                return ["", "[time]", f"{line('stored', stored)}  # {note}", *units]
            if len(times) == frames + 1 > 2 and even(times):
                held = f"{printable(time.path)} holds {len(times)} times for {frames} frames"
                other = f"{line('start', float(times[1]))}, {line('stop', float(times[-1]))}"
                said = f"# CHECK: {held}: the last is left out; if the first has no frame, write {other}"
                start, stop = line("start", float(times[0])), line("stop", float(times[-2]))
                return ["", said, "[time]", start, stop, *units]
        if len(times) == frames > 1 and np.isfinite(times).all():
            # Equal steps would hide that the frames are in another order.
            return ["", *out_of_order(time, times), "[time]", line("stored", time.stored)]
        return ["", f"# {why_no_times(time, times)}", *self._open_time()]

    def _open_time(self) -> list[str]:
        """The time step as a comment: that of an attribute or of a file next to the data, otherwise 1."""
        frames = self.layout.lengths[TIME]
        said = f"# DECIDE: the time between the {frames} frames; uncomment and correct."
        for step in self._stated_steps:
            note = f"{printable(step.words)}, right if every step of the solver is a frame"
            return [said, "# [time]", f"# {line('step', step.rule)}  # {note}"]
        return [said, "# [time]", "# step = 1.0"]

    @cached_property
    def _stated_steps(self) -> list[StatedStep]:
        """The time steps that the files state, without those that differ within a run."""
        found = stated_steps(self.arrays, self.layout, self.side_numbers, self.runs)
        last = self.folder.last if self.folder is not None else None
        changing = changing_places({each.place for each in found}, self.arrays, last)
        return [each for each in found if each.place not in changing]

    @cached_property
    def _solver_step(self) -> StatedStep | None:
        """The time step of the solver; None if no file states it, or if the numbers in names are times."""
        if self._numbers_have_fractions:
            return None
        return next((each for each in self._stated_steps if each.is_of_solver), None)

    @property
    def used(self) -> str:
        """The name of the number in the file that became `step` of the table; empty if there is none."""
        counts = self._states.exist and self._states.place()[0] == HOLE
        return self._solver_step.name if counts and self._solver_step is not None else ""

    @property
    def _numbers_have_fractions(self) -> bool:
        """Whether the numbers in the names of files or arrays are times, as in out_0.25.h5."""
        if self.folder is not None and self.folder.kind == "states":
            return any(re.search("[.p]", step) for step in self.folder.steps)
        array = next((each.array for each in self.layout.variable if each.array.pattern), None)
        parts = NamePattern(array.pattern).match(array.path) if array else None
        return "." in (parts or {}).get(STEP, "")


def _convert(stored: str, times: Values) -> str:
    """The comment on dates that are written as numbers: they are no times."""
    said = f"{printable(stored)} holds dates as numbers, {times[0]:.0f} to {times[-1]:.0f}"
    return f"# {said}: convert them to days since a date."


def _date_or_step(folder: FolderContents) -> Iterator[str]:
    """The two readings of a number behind a date, for a person to decide. docs/decisions/0142"""
    date, number = re.split(r"[-_](?=\d+$)", folder.steps[-1])
    as_step = re.sub(r"[-_]\d+$", lambda found: f"{found[0][0]}{HOLE}", folder.steps[-1])
    if any(not step.startswith(date) for step in folder.steps):
        as_step = as_step.replace(date, "*")
    yield f"# DECIDE: is {number} behind {date} a time of day or step {int(number)}? For times of day,"
    yield "# uncomment this. For steps, uncomment it without the unit, add step = 0.01 (the time of a step),"
    yield f"# and write {line('files', folder.pattern.replace(HOLE, as_step))} above."
    yield "# [time]"
    yield f"# {line('stored', HOLE)}"
    yield f"# {line('unit', unit_of_dates(folder.dates))}"
