"""What single files say of time: whether each is a state, a piece of a run, or a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from ingest.contents.axis_names import TIME_NAME
from ingest.contents.listing import ArrayInfo, list_arrays
from ingest.contents.state_time import number_of_time, time_of_state
from ingest.fields.reference_dates import in_unit
from ingest.formats.arrays import ArrayFile, whole
from ingest.formats.open_any import located, open_arrays
from ingest.inferring.coefficients import complex_numbers
from ingest.inferring.infer import infer_layout
from ingest.inferring.inferred_layout import InferredLayout
from ingest.inspecting.folder_contents import FolderContents, Kind
from ingest.inspecting.variable_files import fields_of
from ingest.layout import TIME
from shards.errors import SourceError


@dataclass(frozen=True)
class FileTimes:
    """Whether a file is one state of a run, and the times that it states."""

    state: bool
    times: tuple[float, ...] = ()
    unit: str = ""


# Fewer frames are no series: an axis so short that nothing calls time holds components.
FEWEST_FRAMES = 4
# Files called runs that begin so many steps after the end of the one before do not go on.
WIDEST_GAP = 3
# What the number in the names of files counts, as far as the names say it.
Counted = Literal["moments", "dates", "runs", "unknown"]


def kind_of_numbered(files: Sequence[Path], counted: Counted = "unknown") -> Kind:
    """What numbered files of one run are, from the first two; `counted` is what their names suggest."""
    first, second = (times_of(path, counted) for path in files[:2])
    if first.state or second.state:
        return "states"
    if len(first.times) < 2 or not second.times:
        # Nobody starts each of his runs at a date of its own, and writes no times.
        return "pieces" if counted == "dates" and not first.times else "runs"
    try:
        later = in_unit(second.times, second.unit, first.unit, str(files[1]))
    except SourceError:
        # Times that nobody can compare make no run.
        return "runs"
    if later[0] <= first.times[0] or later[-1] <= first.times[-1]:
        return "runs"
    longest = max(after - before for before, after in pairwise(first.times))
    # run2001 may begin a year after run2000 has ended.
    is_apart = counted == "runs" and later[0] - first.times[-1] > WIDEST_GAP * longest
    return "runs" if is_apart else "pieces"


def frames_of(path: Path) -> int:
    """The number of frames of a file; 1 where nothing says that it has several."""
    place = located(path)
    with open_arrays(place) as arrays:
        try:
            layout = infer_layout(arrays, list_arrays(arrays, place), str(path), guess_time=False)
        except SourceError:
            return 1
        return layout.lengths[TIME] if layout.time_from else 1


def hold_more_frames(series: FolderContents, states: FolderContents) -> bool:
    """Whether files hold a series of the same fields as states, with more frames than there are states."""
    is_of_same = not fields_of(series.first).isdisjoint(fields_of(states.first))
    return is_of_same and frames_of(series.first) > states.states


def times_of(path: Path, counted: Counted = "unknown") -> FileTimes:
    """The times of a file, or that it is one state, as in a folder that is named by its time."""
    place = located(path)
    with open_arrays(place) as arrays:
        listed = list_arrays(arrays, place)
        try:
            layout = infer_layout(arrays, listed, str(path), guess_time=False)
        except SourceError:
            return _without_frames(arrays, listed)
        if not layout.time_from:
            own = _time_of_state(arrays, listed)
            if own or _seems_a_state(layout, listed, counted):
                return FileTimes(state=True, times=own)
        return _listed_times(arrays, layout)


def _without_frames(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> FileTimes:
    """The times of a file in whose arrays no axis counts frames."""
    if complex_numbers(listed) and _lists_times(listed):
        # Its frames are in the arrays that cannot be read, and not in those that are left.
        return FileTimes(state=False)
    own = _time_of_state(arrays, listed)
    return FileTimes(state=_has_planes(listed) or bool(own), times=own)


def _seems_a_state(layout: InferredLayout, listed: tuple[ArrayInfo, ...], counted: Counted) -> bool:
    """Whether a file is one state in which nothing names the axis of time: its name says so, or its axes."""
    if counted != "unknown":
        return counted in ("moments", "dates")
    return layout.lengths[TIME] < FEWEST_FRAMES or _is_vector_of_space(listed)


def _listed_times(arrays: ArrayFile, layout: InferredLayout) -> FileTimes:
    """The times of a file with frames, from the list of times if it has one."""
    times = layout.lists.time
    if times is None or times.pattern:
        return FileTimes(state=False)
    values = whole(arrays.array(times.path)).reshape(-1)
    return FileTimes(state=layout.lengths[TIME] == 1, times=tuple(values.tolist()), unit=times.unit)


def _time_of_state(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> tuple[float, ...]:
    """The time of a file that is one state, if it states one."""
    value = number_of_time(arrays, time_of_state(arrays, listed))
    return () if value is None else (value,)


def _is_vector_of_space(listed: tuple[ArrayInfo, ...]) -> bool:
    """Whether an array ends with a component per other axis, velocity [z, y, x, 3]: none of them is time."""
    shapes = [each.shape for each in listed if each.fault is None and each.shape]
    return any(len(shape) > 2 and shape[-1] == len(shape) - 1 for shape in shapes)


def _lists_times(listed: tuple[ArrayInfo, ...]) -> bool:
    return any(TIME_NAME.fullmatch(each.name) and len(each.values) == 1 < each.size for each in listed)


def _has_planes(listed: tuple[ArrayInfo, ...]) -> bool:
    # A file that was opened and never written has an axis of length 0.
    return any(len(each.values) >= 2 and each.size for each in listed if each.fault is None)
