"""Reads a run in several files (states, restart pieces or variables) like the arrays of one file.

A run may have thousands of files, so only a few are open at a time
(docs/decisions/0051-runs-of-many-files.md).
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.fields.files_by_variable import open_files_of_time
from ingest.fields.overlaps import SharedFrame, cut_notes, differ, gap_notes, kept_frames, shared_frames
from ingest.fields.run_headers import (
    ArrayHeader,
    Header,
    HeaderRequest,
    counted_as,
    header_of,
    one_after_another,
)
from ingest.fields.series import SINGLE, SeriesPiece, joined, require_every_step
from ingest.formats.arrays import Array, AttributedArrays, SlabIndex
from ingest.formats.packing import Attribute
from ingest.formats.run_files import RunFiles
from ingest.layout import PREVIOUS_FILE, TIME
from shards.errors import SourceError

# What to do if two files of a run differ at one time.
ONE_IS_WRONG = 'remove one of them, or state in the recipe which is right: overlap = "later" or "earlier"'
TIMES_BEGIN_AGAIN = (
    'times begin again in each file: add to [time] offset = "@NAME", the number of each file that says when '
    'it begins, or offset = "previous"; if files are runs of their own, write {run} for {piece} in `files`'
)
# The most files of a run that are open at a time, or the files of one time if these are more.
OPEN = 16


@dataclass(frozen=True)
class _OpenFiles:
    """The open files of one time, as one set of arrays, and how they are closed."""

    arrays: AttributedArrays
    close: Callable[[], None]


class RunArrays:
    """The files of a run, few of them open at a time; satisfies Arrays with the arrays of the first file.

    `times` are those in the files, one per kept frame; None if the recipe states them. `notes` report frames
    that were cut or are absent between files; `parts` are the named parts of the first file name.
    """

    def __init__(self, run: RunFiles, wanted: HeaderRequest) -> None:
        # All headers are checked here, before any frame is read.
        self._tiles = wanted.tiles
        self._moments = [tuple(files) for _, files in groupby(run.files, key=lambda file: file.moment)]
        self._steps = [files[0].step for files in self._moments]
        # By the number of the time; the one that was used last stands last.
        self._open: OrderedDict[int, _OpenFiles] = OrderedDict()
        headers = [header_of(files, wanted) for files in self._moments]
        self._headers = [counted_as(header, headers[0].unit) for header in headers]
        if wanted.offset == PREVIOUS_FILE:
            self._headers = list(one_after_another(self._headers))
        self.where = str(run.first)
        self.parts = run.files[0].parts
        self.notes: list[str] = []
        self._require_one_grid()

        for name, place in wanted.scalars:
            self._require_one_value(name, place)

        self._kept = [range(header.frames) for header in self._headers]
        if self._headers[0].times is not None:
            self._cut_overlaps(wanted)
        self._require_all_steps()

    def close(self) -> None:
        for files in self._open.values():
            files.close()
        self._open.clear()

    @property
    def times(self) -> tuple[float, ...] | None:
        if self._headers[0].times is None:
            return None
        return tuple((header.times or ())[frame] for header, frame in self._kept_frames())

    @property
    def time_unit(self) -> str:
        """The unit of the times, as the first file has it."""
        return self._headers[0].unit

    @property
    def files(self) -> tuple[str, ...]:
        """The file name of each kept frame; empty if all frames are in the same files."""
        if len(self._moments) == 1:
            return ()
        return tuple(Path(header.where).name for header, _ in self._kept_frames())

    def names(self) -> tuple[str, ...]:
        return self.opened(0).names()

    def array(self, path: str) -> Array:
        return self.opened(0).array(path)

    def attribute(self, path: str, name: str) -> float | None:
        return self.opened(0).attribute(path, name)

    def attributes(self, path: str) -> dict[str, Attribute]:
        return self.opened(0).attributes(path)

    def dimensions(self, path: str) -> tuple[str, ...]:
        return self.opened(0).dimensions(path)

    def opened(self, number: int) -> AttributedArrays:
        """Opens the files of one time; closes others if too many are open."""
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number].arrays
        while self._open and len(self._open) * len(self._moments[number]) >= OPEN:
            _, longest_unused = self._open.popitem(last=False)
            longest_unused.close()
        stack = ExitStack()
        arrays = stack.enter_context(open_files_of_time(self._moments[number], self._tiles))
        self._open[number] = _OpenFiles(arrays, stack.close)
        return arrays

    def over_time(self, path: str, words: tuple[str, ...]) -> Array:
        """The array at this path in all files, joined along time."""
        pieces: list[SeriesPiece] = []
        for number, (header, kept) in enumerate(zip(self._headers, self._kept, strict=True)):
            for place, found in enumerate(header.arrays[path]):
                array = _ClosedFileArray(self, number, found, f"{header.where}:{found.path}")
                # An array without an axis of time is one frame.
                single = len(found.shape) == len(words) - 1
                frames = SINGLE[: place in kept] if single else kept
                if frames:
                    pieces.append(SeriesPiece(array, frames))
        return joined(pieces, words)

    def _kept_frames(self) -> Iterator[tuple[Header, int]]:
        for header, kept in zip(self._headers, self._kept, strict=True):
            for frame in kept:
                yield header, frame

    def _require_one_grid(self) -> None:
        first = self._headers[0]
        for header in self._headers:
            if header.coordinates != first.coordinates:
                raise SourceError(
                    f"{header.where}: other cell centres or blocks than in {first.where}; expected one grid "
                    "in all files of a run"
                )

    def _require_one_value(self, name: str, place: str) -> None:
        """Raises SourceError if files of the run have different values of a parameter; some may have none."""
        held = [(header.scalars[place], header.where) for header in self._headers if place in header.scalars]
        for values, where in held:
            if values != held[0][0]:
                raise SourceError(
                    f"{where}: scalar {name} ({place}) is {_listed(values)}, but {_listed(held[0][0])} in "
                    f"{Path(held[0][1]).name}; expected one value in all files of a run; remove it from "
                    "[scalars], or name the runs by a part of `files`"
                )

    def _require_all_steps(self) -> None:
        steps = [step for step in self._steps if step is not None]
        if len(steps) == len(self._headers) and all(header.frames == 1 for header in self._headers):
            require_every_step(self.where, steps, self.times)

    def _cut_overlaps(self, wanted: HeaderRequest) -> None:
        """Keeps each time once, because a restart writes some times again.

        Raises SourceError if two files hold a time with different values, unless the recipe states which is
        right.
        """
        times = [header.times or () for header in self._headers]
        names = _names_apart([Path(header.where) for header in self._headers])
        kept = kept_frames(times, wanted.overlap)
        shared = list(shared_frames(times, kept))
        if wanted.overlap == "refuse":
            self._require_order(kept, {frame.cut for frame in shared})
            self._require_equal(wanted, shared)
        self.notes += cut_notes(times, kept, shared, names)
        self._kept = kept
        left = [tuple(own[frame] for frame in frames) for own, frames in zip(times, kept, strict=True)]
        self.notes += gap_notes(left, names)

    def _require_order(self, kept: list[range], shared: set[tuple[int, int]]) -> None:
        """Raises SourceError if a state would be cut but no other file holds its time: the order is wrong."""
        for number, (header, frames) in enumerate(zip(self._headers, kept, strict=True)):
            if header.frames == 1 and not frames and (number, 0) not in shared:
                raise SourceError(
                    f"{header.where}: t = {(header.times or (0,))[0]:g}, but a later file begins earlier; "
                    "expected times in the order of the file names; rename the files, or correct [time]"
                )

    def _require_equal(self, wanted: HeaderRequest, shared: list[SharedFrame]) -> None:
        """Raises SourceError if two files have different values at one time: one belongs to another run."""
        starts = {header.times[0] for header in self._headers if header.times}
        cure = TIMES_BEGIN_AGAIN if len(starts) == 1 else ONE_IS_WRONG
        begins = list(accumulate((header.frames for header in self._headers), initial=0))
        for path, words in wanted.fields if shared else ():
            values, axis = self.over_time(path, words), words.index(TIME)
            for each in shared:
                one, other = (
                    _frame_of(values, begins[number] + frame, axis) for number, frame in (each.cut, each.kept)
                )
                apart = differ(one, other)
                if apart is not None:
                    first, second = (self._headers[number].where for number, _ in (each.cut, each.kept))
                    raise SourceError(
                        f"{first}: {path} at t = {each.time:g} differs from {Path(second).name}, by up to "
                        f"{apart:.3g}; expected equal values if two files of a run hold one time; {cure}"
                    )


def _names_apart(paths: list[Path]) -> list[str]:
    """The names of files; with their folders if the names alone do not tell them apart.

    >>> _names_apart([Path("a/leg0/b/u.h5"), Path("a/leg1/b/u.h5")]), _names_apart([Path("a/0.h5")])
    (['leg0/b/u.h5', 'leg1/b/u.h5'], ['0.h5'])
    """
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    common = os.path.commonpath(paths)
    return [path.relative_to(common).as_posix() for path in paths]


def _frame_of(values: Array, number: int, axis: int) -> npt.NDArray[Any]:
    """One frame of an array with time as axis number `axis`."""
    index: list[SlabIndex] = [slice(None)] * len(values.shape)
    index[axis] = number
    return values.slab(*index)


@dataclass(frozen=True)
class _ClosedFileArray:
    """An array of a file that is opened only for reading the array; satisfies Array."""

    run: RunArrays
    number: int
    header: ArrayHeader
    where: str
    unwritten: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.header.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.header.dtype

    def slab(self, *index: SlabIndex) -> npt.NDArray[Any]:
        array = self.run.opened(self.number).array(self.header.path)
        if array.shape != self.shape:
            raise SourceError(f"{array.where}: changed while it was read; build again")
        return array.slab(*index)


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values[:3])
