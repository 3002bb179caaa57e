"""Times, coordinates and boundaries of a draft."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ingest.fields.reference_dates import counted_in, unit_of_dates
from ingest.formats.arrays import ArrayFile, whole
from ingest.formats.dates import SINCE_1970, date_of
from ingest.inspecting.contents import ArrayInfo, root_numbers
from ingest.inspecting.draft_table import DECIDE_SIDES, inline_table, line
from ingest.inspecting.folder_contents import FolderContents
from ingest.inspecting.frames import FrameReader
from ingest.inspecting.ghost_cells import GhostCells
from ingest.inspecting.infer_layout import InferredLayout
from ingest.inspecting.means import time_of_means
from ingest.inspecting.number_lists import Values, even, one_way, out_of_order, span, why_no_times
from ingest.inspecting.numbered import HOLE, Series, time_attribute
from ingest.inspecting.periodicity import Ends, axis_ends
from ingest.inspecting.side_numbers import SideNumber
from ingest.inspecting.state_paths import by_step
from ingest.inspecting.state_time import time_of_state
from ingest.layout import TIME, TRAJECTORY
from shards.errors import SourceError
from shards.program.console import printable

# What an attribute is called that is the time between frames, or a step of the solver.
STEP_NAME = re.compile(
    r"d_?t|delta_?t|time_?step(_size)?|(dt|interval)_?(out(put)?|save|frames?|snap\w*)", re.IGNORECASE
)
TIME_UNITS = {1.0: "s", 1e-3: "ms", 1e-6: "us", 1e-9: "ns", 1e-12: "ps", 1e-15: "fs", 1e-18: "as"}


@dataclass(frozen=True)
class AxisLines:
    """The tables [time], [coordinates] and [boundaries]."""

    reader: FrameReader
    folder: FolderContents | None
    ghosts: GhostCells
    beside: tuple[SideNumber, ...] = ()

    @property
    def arrays(self) -> ArrayFile:
        return self.reader.arrays

    @property
    def layout(self) -> InferredLayout:
        return self.reader.layout

    def time(self) -> list[str]:
        """The table of the time, and what its list says of means over time."""
        lines = self._rule_of_time()
        return [*lines, *time_of_means(self.arrays, self.layout)] if "[time]" in lines else lines

    def _rule_of_time(self) -> list[str]:
        """The rule for the time: a list, an attribute or number of each state, or left open."""
        frames = self.layout.lengths[TIME]
        time = self.layout.lists.time
        if time is not None and "%Y" in time.unit:
            unit = f"{printable(time.path)} holds dates as numbers, {printable(time.unit)}"
            return ["", f"# {unit}: convert them to times with cdo -r copy.", *self._open_time()]
        if self._states:
            stored, note = self._time_of_states()
            if stored == HOLE and self.folder is not None and self.folder.kind == "pieces":
                return ["", *self._open_time()]
            unit = self._unit_of_states(stored)
            stored = by_step(stored, (each.array for each in self.layout.variable))
            units = [line("unit", unit)] if unit else []
            return ["", "[time]", f"{line('stored', stored)}  # {note}", *units]
        times = self._values(time)
        if time is not None and time.is_dates and times is not None:
            unit = unit_of_dates(times.tolist())
            times = np.array(counted_in(tuple(times.tolist()), SINCE_1970, unit))
            time = replace(time, attributes={"units": unit})
        units = [line("unit", time.unit)] if time is not None and time.unit else []
        if time is not None and times is not None and one_way(times) and times[0] < times[-1]:
            if len(times) == frames:
                note = span(times, "frame", time.unit)
                return ["", "[time]", f"{line('stored', time.stored)}  # {note}", *units]
            if len(times) == frames + 1 > 2 and even(times):
                held = f"{printable(time.path)} holds {len(times)} times for {frames} frames"
                note = f"# {held}: the last is left out."
                start, stop = float(times[0]), float(times[-2])
                return ["", note, "[time]", line("start", start), line("stop", stop), *units]
        if time is None or times is None:
            return ["", *self._open_time()]
        if len(times) == frames > 1 and np.isfinite(times).all():
            # Equal steps would hide that the frames are in another order.
            return ["", *out_of_order(time, times)]
        return ["", f"# {why_no_times(time, times)}", *self._open_time()]

    def _open_time(self) -> list[str]:
        """The step as a comment: that of an attribute or of a file next to the data, otherwise any."""
        frames = self.layout.lengths[TIME]
        said = f"# DECIDE: the time between the {frames} frames; uncomment and correct."
        numbers = [(name, f"the attribute {name}", v) for name, v in root_numbers(self.arrays).items()]
        numbers += [(each.name, printable(each.place), each.value) for each in self.beside]
        for name, place, value in numbers:
            if STEP_NAME.fullmatch(name) and value > 0:
                note = f"{place}, right if every step of the solver is a frame"
                return [said, "# [time]", f"# {line('step', value)}  # {note}"]
        return [said, "# [time]", "# step = 1.0"]

    @property
    def _states(self) -> bool:
        """Whether frames are arrays, groups or files of their own."""
        of_files = self.folder is not None and self.folder.kind in ("states", "pieces")
        return of_files or any(each.array.pattern for each in self.layout.variable)

    def _time_of_states(self) -> tuple[str, str]:
        """What `stored` says of the times of states, and a comment."""
        time = self.layout.lists.time
        if self.folder is not None and self.folder.kind in ("states", "pieces"):
            if time is not None:
                return time.stored, f"the times of each file{_in_unit(time.unit)}"
            return self._time_of_files()
        if time is not None and time.pattern:
            return time.stored, f"one time per frame{_in_unit(time.unit)}"
        array = next(each.array for each in self.layout.variable if each.array.pattern)
        group = Series(array.pattern, (array.path,)).group
        first = "/".join(array.path.split("/")[: group.count("/") + 1]) if group else array.path
        name = time_attribute(self.arrays, first)
        if name:
            return f"{group or array.pattern}@{name}", f"the attribute {name} of each of them"
        return HOLE, "CHECK: the number in the names; if it counts steps, add step = 0.01"

    def _unit_of_states(self, stored: str) -> str:
        """The unit of the times of states; of dates, one that counts from the first of them."""
        time = self.layout.lists.time
        if stored == HOLE:
            return unit_of_dates(self.folder.dates) if self.folder is not None and self.folder.dated else ""
        if time is not None and stored == time.stored:
            times = self._values(time) if time.is_dates else None
            return time.unit if times is None else unit_of_dates(times.tolist())
        path, at, name = stored.partition("@")
        date = date_of(self.arrays.attributes(self._first_of(path)).get(name)) if at else None
        return self._unit_of_openpmd(stored) if date is None else unit_of_dates([date])

    def _first_of(self, path: str) -> str:
        """The group or array of the first step, of a path that names one for each."""
        if HOLE not in path:
            return path
        array = next(each.array for each in self.layout.variable if each.array.pattern)
        return "/".join(array.path.split("/")[: path.count("/") + 1])

    def _unit_of_openpmd(self, stored: str) -> str:
        """The unit of a time in an attribute, where timeUnitSI next to it says how many seconds it is."""
        path, at, _ = stored.partition("@")
        if not at:
            return ""
        seconds = root_numbers(self.arrays, self._first_of(path)).get("timeUnitSI", 0.0)
        if seconds <= 0:
            return ""
        return TIME_UNITS.get(seconds, f"{seconds!r} s")

    def _time_of_files(self) -> tuple[str, str]:
        """The same where each file is a state."""
        assert self.folder is not None
        arrays = (*(each.array for each in self.layout.fields), *self.layout.scalars, *self.layout.rest)
        # Each file has one state: what is called by its number there is looked at as any other array.
        stored = time_of_state(self.arrays, tuple(replace(each, pattern="") for each in arrays))
        path, at, name = stored.partition("@")
        if stored:
            held = f"the attribute {name}{f' of {path}' if path else ''}" if at else path
            return stored, f"{printable(held)} of each file"
        if self.folder.dated:
            return HOLE, "the date in the names of the files"
        return HOLE, "CHECK: the number in the names of the files; if it counts steps, add step = 0.01"

    def _values(self, listed: ArrayInfo | None) -> Values | None:
        """A list, of the first trajectory where there is one for each."""
        if listed is None or listed.pattern:
            return None
        try:
            values = whole(self.arrays.array(listed.path))
        except SourceError:
            return None
        if values.size == max(values.shape, default=1):
            return values.reshape(-1)
        return values[0] if values.ndim == 2 else None

    def coordinates(self) -> list[str]:
        """A rule per axis; a comment if the file does not state the cells."""
        rules = [self._coordinate(axis) for axis in self.layout.axes]
        said = "# DECIDE: the lower and upper end of the grid (cell edges); uncomment and correct."
        open_rules = any(rule.startswith("#") for rule in rules)
        return ["", "[coordinates]", *([said] if open_rules else []), *rules]

    def crop(self) -> Iterator[str]:
        """Ghost cells, or a periodic end that is stored twice: it would be a cell too many."""
        axes = [axis for axis, ends in self._ends.items() if ends.repeated]
        if self.ghosts.cells:
            yield f"{_crop(self.ghosts.cells)}  # CHECK: ghost cells: {printable(self.ghosts.words)}"
        elif self.ghosts.offered:
            said = printable(self.ghosts.words)
            yield f"# DECIDE: the file says {said}: if ghost cells are stored, uncomment to cut them off."
            yield f"# {_crop(self.ghosts.offered)}"
        elif axes:
            repeated = ", ".join(axes)
            yield f"# DECIDE: the last cells of {repeated} repeat the first: uncomment to cut them off."
            yield f"# {_crop(dict.fromkeys(axes, (0, 1)))}"

    def _coordinate(self, axis: str) -> str:
        """The line of the recipe for the cells of an axis, a comment where the file does not say them."""
        listed = self.layout.lists.space.get(axis)
        lower, upper = self.ghosts.cells.get(axis, (0, 0))
        cells = self.layout.lengths[axis] - lower - upper
        unknown = f"# {inline_table(axis, {'lower': 0.0, 'upper': 1.0})}  # {cells} cells"
        if listed is None:
            return self._by_spacing(axis) or unknown
        # MATLAB stores lists as one row.
        is_list = max(listed.lengths, default=1) == listed.size
        if not is_list and len(listed.values) > 1 and not self._is_of_trajectories(listed):
            return self._by_meshgrid(axis, listed) or unknown
        centres = self._values(listed)
        if centres is not None and len(centres) == cells + lower + upper:
            # The recipe cuts a list that is as long as the stored axis.
            centres = centres[lower : lower + cells]
        if centres is None or len(centres) != cells or not one_way(centres):
            return unknown
        if not self._is_of_trajectories(listed):
            note = span(centres, "cell", listed.unit)
            return f"{inline_table(axis, _with_unit({'stored': listed.stored}, listed))}  # {note}"
        if not even(centres) or centres[0] > centres[-1]:
            return unknown
        half = float(centres[-1] - centres[0]) / (cells - 1) / 2
        ends = {"lower": float(centres[0]) - half, "upper": float(centres[-1]) + half}
        note = f"CHECK: the first list of {printable(listed.path)}, read as evenly spaced cell centres"
        return f"{inline_table(axis, _with_unit(dict(ends), listed))}  # {note}"

    def _is_of_trajectories(self, listed: ArrayInfo) -> bool:
        """Whether a list has a row per trajectory."""
        runs = self.layout.lengths.get(TRAJECTORY)
        return len(listed.lengths) == 2 and runs is not None and listed.lengths[0] == runs

    def _by_meshgrid(self, axis: str, listed: ArrayInfo) -> str:
        """The rule of an array as large as the grid; empty where it does not depend on the axis alone."""
        space = tuple(self.layout.lengths[word] for word in self.layout.words if word in self.layout.axes)
        try:
            values = whole(self.arrays.array(listed.path))
        except SourceError:
            return ""
        if values.shape[-len(space) :] != space:
            return ""
        order = [word for word in self.layout.words if word in self.layout.axes]
        along = np.moveaxis(values.reshape(-1, *space)[0], order.index(axis), 0).reshape(
            space[order.index(axis)], -1
        )
        if not (along == along[:, :1]).all() or not one_way(along[:, 0]):
            return ""
        note = span(along[:, 0], "cell", listed.unit)
        return f"{inline_table(axis, _with_unit({'stored': listed.stored}, listed))}  # {note}"

    def _by_spacing(self, axis: str) -> str:
        """Lower and upper end as openPMD states them: offset and spacing of the mesh, in SI units."""
        array = self.layout.variable[0].array
        held: dict[str, Any] = {}
        for path in (array.path.rpartition("/")[0], array.path):
            try:
                held |= self.arrays.attributes(path)
            except SourceError:
                continue
        spacing = np.asarray(held.get("gridSpacing", ())).reshape(-1)
        number = self.layout.axes.index(axis)
        if spacing.dtype.kind not in "iuf" or len(spacing) != len(self.layout.axes):
            return ""
        offset = np.asarray(held.get("gridGlobalOffset", np.zeros(len(spacing)))).reshape(-1)
        unit = float(np.asarray(held.get("gridUnitSI", 1.0)).reshape(-1)[0])
        lower = float(offset[number]) * unit if len(offset) == len(spacing) else 0.0
        upper = lower + float(spacing[number]) * unit * self.layout.lengths[axis]
        if not lower < upper < np.inf:
            return ""
        rule = inline_table(axis, {"lower": lower, "upper": upper, "unit": "m"})
        return f"{rule}  # CHECK: gridSpacing and gridGlobalOffset, in m"

    @cached_property
    def _ends(self) -> dict[str, Ends]:
        return axis_ends(self.reader)

    def boundaries(self) -> list[str]:
        """Left open, with what the numbers show."""
        lines = [
            "",
            "[boundaries]",
            DECIDE_SIDES,
        ]
        for axis, ends in self._ends.items():
            lines.append(
                f"# {line(axis, [ends.side, ends.side])}" + (f"  # {ends.words}" if ends.words else "")
            )
        return lines


def _crop(cells: Mapping[str, tuple[int, int]]) -> str:
    return inline_table("crop", {axis: list(pair) for axis, pair in cells.items()})


def _with_unit(rule: dict[str, object], listed: ArrayInfo) -> dict[str, object]:
    return rule | ({"unit": listed.unit} if listed.unit else {})


def _in_unit(unit: str) -> str:
    return f", in {printable(unit)}" if unit else ""
