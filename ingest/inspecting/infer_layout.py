"""Which arrays of a file are fields on one grid, and in which order their axes are.

See docs/decisions/0055.

Names of dimensions decide where the file has them (`layout_by_names`); otherwise lists of coordinates and
times and the lengths of axes do (`layout_by_lengths`). An axis is time only where something says so.

Axes: n trajectory, t time, c component, and the axes of space by their names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ingest.inspecting.axis_names import space_name
from ingest.inspecting.contents import ArrayInfo
from ingest.layout import CHANNEL, TIME
from shards.errors import SourceError
from shards.program.console import printable

Words = tuple[str, ...]
Lengths = dict[str, int]


@dataclass(frozen=True)
class Lists:
    """The small arrays that name axes and times, by the name of their axis: [L], or [N, L] for each
    trajectory.
    """

    space: dict[str, ArrayInfo]
    time: ArrayInfo | None
    # Cells of each axis, where an attribute of the file states them.
    cells: tuple[int, ...] = ()

    @property
    def all(self) -> tuple[ArrayInfo, ...]:
        return (*self.space.values(), *([self.time] if self.time else []))

    @property
    def axes(self) -> Words:
        return tuple(self.space)


@dataclass(frozen=True)
class PlacedArray:
    """An array and the words of its axes, those of `lengths` of its header; `faces` is the axis on whose
    faces it is, if any.
    """

    array: ArrayInfo
    words: Words
    faces: str = ""

    @property
    def channels(self) -> int:
        return math.prod(length for word, length in self._lengths if word == CHANNEL)

    @property
    def constant(self) -> bool:
        return TIME not in self.words

    @property
    def _lengths(self) -> list[tuple[str, int]]:
        return list(zip(self.words, self.array.lengths, strict=True))

    @property
    def lengths(self) -> Lengths:
        """Lengths of all axes but that of components."""
        return {word: length for word, length in self._lengths if word != CHANNEL}


@dataclass(frozen=True)
class InferredLayout:
    """What the arrays of a file are: fields on one grid, lists, parameters, and the rest.

    `axes_from` says what the axes are known from. `time_from` says why an axis is time; where it is empty
    nothing does, and `words` are only one way to see the arrays. `other_grids` are fields that do not fit,
    `on_faces` those on faces of its cells.
    """

    axes: Words
    words: Words
    lengths: Lengths
    lists: Lists
    fields: tuple[PlacedArray, ...]
    scalars: tuple[ArrayInfo, ...]
    rest: tuple[ArrayInfo, ...]
    axes_from: str = ""
    time_from: str = ""
    other_grids: dict[str, tuple[str, ...]] = field(default_factory=dict)
    # Orders of the axes that are nearly as likely, with what each would mean.
    other_orders: tuple[str, ...] = ()
    # What the file holds of particles, in a sentence.
    particles: str = ""
    on_faces: tuple[PlacedArray, ...] = ()

    @property
    def may_be_plane(self) -> bool:
        """Whether a third axis of space is only a guess: nothing names it, and it has a length of its own."""
        cells = {self.lengths[axis] for axis in self.axes}
        return len(self.axes) == 3 and not self.axes_from and CHANNEL not in self.words and len(cells) > 1

    @property
    def variable(self) -> tuple[PlacedArray, ...]:
        return tuple(each for each in self.fields if not each.constant)


def no_field(listed: tuple[ArrayInfo, ...], where: str) -> SourceError:
    """The error of a file that holds no field over time and space."""
    faults = [f"{each.path} {each.fault}" for each in listed if each.fault]
    unread = f"; {len(faults)} of its arrays cannot be read, the first: {faults[0]}" if faults else ""
    readable = [each for each in listed if each.fault is None and each.lengths]
    largest = max(readable, key=lambda each: each.size, default=None)
    found = ""
    if largest is not None:
        named = ", named as a coordinate" if space_name(largest.name) else ""
        found = f" ({printable(largest.path)}, the largest, is {'×'.join(map(str, largest.lengths))}{named})"
    return SourceError(
        f"{where}: no array looks like a field over time and space{found}; expected one of 3 to 6 axes, such "
        "as [time, x, y], or of [time, x] next to a list of times or coordinates; of a folder with one state "
        f"a file, name the folder{unread}"
    )


def one_state(where: str, when: str) -> SourceError:
    """The error of a file that is a single state of a run."""
    return SourceError(
        f"{where}: one state of a run{when}, no series over time; expected several frames; name the folder "
        "that holds the states of the run: walrus-ingest inspect FOLDER --recipe own.toml"
    )
