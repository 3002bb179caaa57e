"""The inferred layout of a file: its fields on one grid, and the order of their axes (docs/decisions/0055).

Names of dimensions decide if the file has them (`layout_by_names`); otherwise lists of coordinates and times
and the lengths of axes (`layout_by_lengths`). An axis is time only if the file gives a reason.

Axes: n trajectory, t time, c component, and the axes of space by their names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ingest.inspecting.axis_names import space_name
from ingest.inspecting.contents import ArrayInfo
from ingest.layout import CHANNEL, TIME, FacesSide
from shards.errors import SourceError
from shards.program.console import printable

Words = tuple[str, ...]
Lengths = dict[str, int]


@dataclass(frozen=True)
class CoordinateLists:
    """The lists of coordinates, by axis, and the list of times: [L], or [N, L] with one per trajectory."""

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
    """An array and the names of its axes, in the order of `lengths` of its header.

    If its values are on the faces of cells, `faces` is the axis across these faces; otherwise it is empty.
    `faces_side` is their side where the file states it.
    """

    array: ArrayInfo
    words: Words
    faces: str = ""
    faces_side: FacesSide | None = None

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
        """The lengths of all axes except that of components."""
        return {word: length for word, length in self._lengths if word != CHANNEL}


@dataclass(frozen=True)
class InferredLayout:
    """The arrays of a file sorted into fields on one grid, lists, parameters, and the rest.

    `axes_from` says from what the axes are known. `time_from` says why an axis is time; if it is empty,
    `words` are only a proposal. `other_grids` are fields on other grids, and `on_faces` are fields on the
    faces of the cells.
    """

    axes: Words
    words: Words
    lengths: Lengths
    lists: CoordinateLists
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
        """Whether a third axis of space is only a guess: it has no name, and another length than the
        others.
        """
        cells = {self.lengths[axis] for axis in self.axes}
        return len(self.axes) == 3 and not self.axes_from and CHANNEL not in self.words and len(cells) > 1

    @property
    def variable(self) -> tuple[PlacedArray, ...]:
        """The fields that change in time; those on faces if none is in the cells."""
        in_cells = tuple(each for each in self.fields if not each.constant)
        return in_cells or self.on_faces


# What to do with a file that is one state of a run.
NAME_THE_FOLDER = (
    "name the folder that holds the states of the run: walrus-ingest inspect FOLDER --recipe own.toml"
)


def no_field(listed: tuple[ArrayInfo, ...], where: str, cure: str = NAME_THE_FOLDER) -> SourceError:
    """The error for a file without a field over time and space; `cure` is for a file of one state."""
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
        "as [time, x, y], or [time, x] with a list of times or coordinates; if each file is one state, "
        f"{cure}{unread}"
    )


def one_state(where: str, when: str, cure: str = NAME_THE_FOLDER) -> SourceError:
    """The error for a file that is a single state of a run."""
    return SourceError(
        f"{where}: one state of a run{when}, not a series in time; expected several frames; {cure}"
    )
