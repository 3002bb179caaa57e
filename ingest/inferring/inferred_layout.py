"""The inferred layout of a file: its fields on one grid, and the order of their axes (docs/decisions/0055).

Names of dimensions decide if the file has them (`layout_by_names`); otherwise lists of coordinates and times
and the lengths of axes (`layout_by_lengths`). An axis is time only if the file gives a reason.

Axes: n trajectory, t time, c component, and the axes of space by their names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ingest.contents.axis_names import space_name
from ingest.contents.listing import ArrayInfo
from ingest.layout import CHANNEL, SINGLE_CELL, TIME, TRAJECTORY, FacesSide, swept_axis
from shards.errors import SourceError
from shards.program.console import printable
from shards.schema import Split

Words = tuple[str, ...]
Lengths = dict[str, int]


@dataclass(frozen=True)
class CoordinateLists:
    """The lists of coordinates, by axis, and the list of times: [L], or [N, L] with one per trajectory."""

    space: dict[str, ArrayInfo]
    time: ArrayInfo | None
    # Lists of parameters of trajectories, by their names.
    parameters: tuple[ArrayInfo, ...] = ()
    # Cells of each axis, where an attribute of the file states them.
    cells: tuple[int, ...] = ()
    # The shapes of arrays that are the three components of a vector.
    volumes: frozenset[tuple[int, ...]] = frozenset()

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
    `faces_side` is their side where the file states it. `is_no_mask` says that it is called as a mask, and
    that its values are those of a field.
    """

    array: ArrayInfo
    words: Words
    faces: str = ""
    faces_side: FacesSide | None = None
    is_no_mask: bool = False

    @property
    def components(self) -> tuple[int, ...]:
        """The lengths of the axes of components: none of a scalar, one of a vector, two of a tensor."""
        return tuple(length for word, length in self._lengths if word == CHANNEL)

    @property
    def channels(self) -> int:
        return math.prod(self.components)

    def may_be_tensor(self, axes: Words) -> bool:
        """Whether its two axes of components, if it has two, are those of a tensor along these axes."""
        return len(self.components) < 2 or set(self.components) == {len(axes)}

    @property
    def constant(self) -> bool:
        return TIME not in self.words

    @property
    def _lengths(self) -> list[tuple[str, int]]:
        return list(zip(self.words, self.array.lengths, strict=True))

    @property
    def lengths(self) -> Lengths:
        """The lengths of all axes except those of components and of single cells."""
        return {word: length for word, length in self._lengths if word not in (CHANNEL, SINGLE_CELL)}


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
    # Arrays that each hold the components on the faces of all axes, one value longer along each.
    on_all_faces: tuple[PlacedArray, ...] = ()
    # Other layouts for which the file speaks as much; a person must decide.
    rivals: tuple[Words, ...] = ()
    # The axes of trajectories by the names of their dimensions, if there are several.
    swept: dict[str, str] = field(default_factory=dict)

    # The word of each split in the names of arrays, if they are in several splits.
    split_names: dict[Split, str] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether a person must decide the layout: no reason for the time, or one for each of several."""
        return not self.time_from or bool(self.rivals)

    @property
    def runs(self) -> Lengths:
        """The lengths of the axes of trajectories: n, or n1, n2, ..."""
        return {word: length for word, length in self.lengths.items() if is_trajectory(word)}

    def swept_axes_of(self, array: ArrayInfo, lengths: tuple[int, ...]) -> Words:
        """The axes of a sweep along which an array of these lengths may be; empty if along all or none."""
        if len(self.runs) < 2 or len(lengths) != 1 or lengths == (1,):
            return ()
        named = self.swept.get(array.dimensions[0] if array.dimensions else "")
        return (named,) if named else tuple(axis for axis, n in self.runs.items() if n == lengths[0])

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


def is_trajectory(word: str) -> bool:
    """Whether a word of a layout names trajectories: n, n1, n2 ...; axes of space have other names."""
    return word == TRAJECTORY or swept_axis(word)


def is_scalar(array: ArrayInfo, lengths: Lengths) -> bool:
    """Whether an array has one number, one per trajectory, or one per place on an axis of trajectories.

    Lengths of 1 count for nothing: MATLAB writes each number as [1, 1], and each list as a column or a row.
    """
    runs = [length for word, length in lengths.items() if is_trajectory(word) and length > 1]
    own = [length for length in array.lengths if length > 1]
    return own in ([], runs, *([length] for length in runs))


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
