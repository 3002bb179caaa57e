"""Finds whether numbered files whose times begin again are pieces of one run.

The reasons are in docs/decisions/0143-times-that-begin-again.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest.contents.listing import list_arrays, root_numbers
from ingest.contents.number_lists import even
from ingest.contents.parameters import PHYSICS
from ingest.fields.overlaps import SAME_TIME, differ
from ingest.formats.arrays import ArrayFile, only_number, whole
from ingest.formats.open_any import located, open_arrays
from ingest.inferring.frames import FrameReader
from ingest.inferring.infer import infer_layout
from ingest.inferring.inferred_layout import InferredLayout
from ingest.layout import PREVIOUS_FILE, TIME
from shards.errors import SourceError

# Words in the name of a number that says when a file begins: t_start, time_offset, t0, StartTime.
START_WORDS = {
    *("t", "time", "start", "tstart", "begin", "tbegin", "offset", "toffset", "origin", "restart"),
    *("init", "initial", "tinit", "since", "elapsed"),
}
# The most files that are compared, and the most fields of each.
MOST_FILES, MOST_FIELDS = 4, 3
# Values go on from one file to the next if they change between them by no more than this many steps.
STEPS_BETWEEN = 2.0

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Restart:
    """How the times of pieces go on that begin again in each: by `offset` or by `step` of [time] in a recipe.

    `step` is 0 if it is not known. `why` says what shows that they are one run; it is empty if a number of
    each file states when it begins.
    """

    offset: str = ""
    step: float = 0.0
    why: str = ""


@dataclass(frozen=True)
class _Piece:
    """The times of a file, its numbers by their places, and its first two and last two frames, all fields."""

    times: Values
    numbers: dict[str, float]
    frames: tuple[Values, Values, Values, Values]


def restart_of(files: Sequence[Path]) -> Restart | None:
    """How the times of files go on that differ in a number; None if nothing shows that they are one run."""
    try:
        pieces = [_piece(path) for path in files[:MOST_FILES]]
    except SourceError:
        return None
    found = [piece for piece in pieces if piece is not None]
    cells = {piece.frames[0].size for piece in found}
    if len(found) < max(2, len(pieces)) or len(cells) > 1 or _are_other_systems(found):
        return None
    if any(_are_equal(one.frames[0], other.frames[0]) for one, other in pairwise(found)):
        # Runs that begin alike.
        return None
    stated = next((place for place in found[0].numbers if _goes_on_by(place, found)), "")
    if stated:
        return Restart(offset=stated)
    return _restart_by_values(found)


def _piece(path: Path) -> _Piece | None:
    """What a file says of its times; None without a list of times, or with frames too large to read."""
    place = located(path)
    with open_arrays(place) as arrays:
        layout = infer_layout(arrays, list_arrays(arrays, place), str(path), guess_time=False)
        time = layout.lists.time
        if time is None or time.pattern or time.is_dates or layout.lengths[TIME] < 2:
            return None
        times = whole(arrays.array(time.path)).reshape(-1)
        reader = FrameReader(arrays, layout)
        frames = [_values(reader, number) for number in (0, 1, reader.count - 2, reader.count - 1)]
        if times.size != reader.count or any(frame is None for frame in frames):
            return None
        first, second, before, last = (frame for frame in frames if frame is not None)
        return _Piece(times, _numbers(arrays, layout, time.path), (first, second, before, last))


def _values(reader: FrameReader, number: int) -> Values | None:
    """The values of a frame [cells], all fields in one list; None if they are too large to read."""
    fields = reader.layout.variable[:MOST_FIELDS]
    frames = [reader.frame(field, number) for field in fields]
    read = [frame.reshape(-1) for frame in frames if frame is not None]
    return np.nan_to_num(np.concatenate(read)) if len(read) == len(fields) > 0 else None


def _numbers(arrays: ArrayFile, layout: InferredLayout, time: str) -> dict[str, float]:
    """The numbers of a file by the place that a recipe names: of the file, of its times, arrays of one."""
    found = {f"@{name}": value for name, value in root_numbers(arrays).items()}
    found |= {f"{time}@{name}": value for name, value in root_numbers(arrays, time).items()}
    for each in layout.scalars:
        if each.size == 1 and not each.pattern:
            found[each.path] = only_number(arrays.array(each.path))
    return found


def _are_other_systems(pieces: Sequence[_Piece]) -> bool:
    """Whether a parameter of the physics differs between the files: these are runs."""
    for place, value in pieces[0].numbers.items():
        is_physics = re.split("[@/]", place)[-1].lower() in PHYSICS
        if is_physics and any(piece.numbers.get(place) != value for piece in pieces):
            return True
    return False


def _goes_on_by(place: str, pieces: Sequence[_Piece]) -> bool:
    """Whether times go on from file to file if this number of each is added; a file may repeat a state."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", re.split("[@/]", place)[-1])
    if START_WORDS.isdisjoint(word.lower() for word in words):
        return False
    if any(place not in piece.numbers for piece in pieces):
        return False
    step = max(float(np.max(np.diff(piece.times))) for piece in pieces)
    for piece, following in pairwise(pieces):
        end, begin = piece.numbers[place] + piece.times[-1], following.numbers[place] + following.times[0]
        repeats = abs(begin - end) < SAME_TIME * step
        if repeats and not _are_equal(piece.frames[-1], following.frames[0]):
            return False
        if not repeats and not end < begin <= end + 1.5 * step:
            return False
    return True


def _restart_by_values(pieces: Sequence[_Piece]) -> Restart | None:
    """How times go on if the values of each file go on from those of the file before; None if they do not."""
    pairs = list(pairwise(pieces))
    if all(_are_equal(one.frames[-1], other.frames[0]) for one, other in pairs):
        return Restart(offset=PREVIOUS_FILE, why="the first state of each is the last of the one before")
    if not all(_are_close(one, other) for one, other in pairs):
        return None
    why = "the values of each go on from those of the one before"
    if all(piece.times[0] > 0 for piece in pieces):
        return Restart(offset=PREVIOUS_FILE, why=why)
    times = pieces[0].times
    return Restart(step=float(times[1] - times[0]) if even(times) else 0.0, why=why)


def _are_close(piece: _Piece, following: _Piece) -> bool:
    """Whether values change from one file to the next as from frame to frame, and less than over a file."""
    first, second, before, last = piece.frames
    between = _distance(last, following.frames[0])
    usual = max(_distance(first, second), _distance(before, last))
    return between <= STEPS_BETWEEN * usual and between < 0.5 * _distance(first, following.frames[0])


def _are_equal(one: Values, other: Values) -> bool:
    return differ(one, other) is None


def _distance(one: Values, other: Values) -> float:
    return float(np.sqrt(np.square(one - other).mean()))
