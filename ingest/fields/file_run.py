"""A run in several files (states, restart pieces or variables), read like the arrays of one file.

Headers are read once per process, and few files are open at a time: a run may have thousands.
docs/decisions/0051-runs-of-many-files.md
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ingest.fields.reference_dates import in_unit, unit_of_times
from ingest.fields.series import SINGLE, Piece, arrays_by_step, joined, require_every_step, steps_in
from ingest.fields.stored_times import stored_times
from ingest.fields.united import opened_together
from ingest.formats.arrays import Array, Arrays, AttributedArrays, SlabIndex, whole
from ingest.formats.open_any import located
from ingest.formats.packing import Attribute
from ingest.formats.run_files import FilesOfRun, RunFile
from ingest.layout import STEP_ITSELF, TIME, TileRule
from ingest.name_pattern import names_parts, step_number
from shards.errors import SourceError

# So many files of a run are open at a time, or those of one moment.
OPEN = 16


@dataclass(frozen=True)
class Wanted:
    """What the recipe takes from each file of a run: fields with their axes, coordinates, and where times and
    the tiles of the grid are.
    """

    fields: tuple[tuple[str, tuple[str, ...]], ...]
    coordinates: tuple[str, ...]
    time: str
    tiles: TileRule | None


@dataclass(frozen=True)
class _ArrayHeader:
    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class _Header:
    """What one moment's files say: arrays by wanted path, times where they are stored, coordinates as
    bytes.
    """

    where: str
    arrays: dict[str, tuple[_ArrayHeader, ...]]
    times: tuple[float, ...] | None
    frames: int
    coordinates: tuple[bytes, ...]
    unit: str


class FileRun:
    """The files of a run, few of them open at a time; satisfies Arrays by what the first of them holds.

    `times` are those that the files store, one per frame that is kept, None where the recipe knows better.
    `notes` say what was cut or is absent between files, `parts` what the named parts of the first name are.
    """

    def __init__(self, run: FilesOfRun, wanted: Wanted) -> None:
        # Whatever is wrong with a header is found here, before any frame is read.
        self._tiles = wanted.tiles
        self._moments = [tuple(files) for _, files in groupby(run.files, key=lambda file: file.moment)]
        self._steps = [files[0].step for files in self._moments]
        self._open: OrderedDict[int, tuple[ExitStack, AttributedArrays]] = OrderedDict()
        headers = [_header(files, _versions(files), wanted) for files in self._moments]
        self._headers = [_counted_as(header, headers[0].unit) for header in headers]
        self.where = str(run.first)
        self.parts = run.files[0].parts
        self.notes: list[str] = []
        self._require_one_grid()
        self._kept = [range(header.frames) for header in self._headers]
        if self._headers[0].times is not None:
            self._cut_overlaps()
        self._require_all_steps()

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1][0].close()

    @property
    def times(self) -> tuple[float, ...] | None:
        if self._headers[0].times is None:
            return None
        return tuple((header.times or ())[frame] for header, frame in self._kept_frames())

    @property
    def files(self) -> tuple[str, ...]:
        """For each frame that is kept, the name of its file; none where all frames are in the same files."""
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

    def opened(self, number: int) -> AttributedArrays:
        """The files of one moment; others are closed where too many are open."""
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number][1]
        while len(self._open) * len(self._moments[number]) >= OPEN and self._open:
            self._open.popitem(last=False)[1][0].close()
        stack = ExitStack()
        arrays = stack.enter_context(opened_together(self._moments[number], self._tiles))
        self._open[number] = (stack, arrays)
        return arrays

    def over_time(self, path: str, words: tuple[str, ...]) -> Array:
        """The array of this path in all files, joined along time."""
        pieces: list[Piece] = []
        for number, (header, kept) in enumerate(zip(self._headers, self._kept, strict=True)):
            for place, found in enumerate(header.arrays[path]):
                array = _LazyArray(self, number, found, f"{header.where}:{found.path}")
                # An array without an axis of time is one frame.
                single = len(found.shape) == len(words) - 1
                frames = SINGLE[: place in kept] if single else kept
                if frames:
                    pieces.append(Piece(array, frames))
        return joined(pieces, words)

    def _kept_frames(self) -> Iterator[tuple[_Header, int]]:
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

    def _require_all_steps(self) -> None:
        steps = [step for step in self._steps if step is not None]
        if len(steps) == len(self._headers) and all(header.frames == 1 for header in self._headers):
            require_every_step(self.where, steps, self.times)

    def _cut_overlaps(self) -> None:
        """Keeps of each file the frames before the next one begins: a restart writes again what it
        repeats.
        """
        for number, (header, after) in enumerate(pairwise(self._headers)):
            times, begins = header.times or (), (after.times or ())[:1]
            if begins and times and not all(time < begins[0] for time in times):
                kept = [frame for frame in self._kept[number] if times[frame] < begins[0]]
                self.notes.append(
                    f"{len(times) - len(kept)} frames of {Path(header.where).name} from t = {begins[0]:g} "
                    f"on are in {Path(after.where).name} too and were taken from there"
                )
                self._kept[number] = range(len(kept))
        self._tell_gaps()

    def _tell_gaps(self) -> None:
        """A note where two files are further apart than frames are within them."""
        within = [np.diff(header.times or ()) for header in self._headers]
        strides = np.concatenate(within) if within else np.empty(0)
        if not strides.size:
            return
        for before, after in pairwise(self._headers):
            if (
                before.times
                and after.times
                and after.times[0] - before.times[-1] > 1.5 * float(np.max(strides))
            ):
                self.notes.append(
                    f"no frames between t = {before.times[-1]:g} ({Path(before.where).name}) and "
                    f"{after.times[0]:g} ({Path(after.where).name})"
                )


@dataclass(frozen=True)
class _LazyArray:
    """An array of a file that is opened when it is read; satisfies Array."""

    run: FileRun
    number: int
    header: _ArrayHeader
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


def _versions(files: tuple[RunFile, ...]) -> tuple[tuple[int, int], ...]:
    """Size and time of change of each file: a header is read again where they are others."""
    statuses = [located(file.path).stat() for file in files]
    return tuple((status.st_size, status.st_mtime_ns) for status in statuses)


@lru_cache(maxsize=2**16)
def _cached(
    paths: tuple[tuple[Path, tuple[tuple[str, str], ...]], ...], versions: object, wanted: Wanted
) -> _Header:
    # A build opens a run several times, to plan, to measure, to read: its headers are read once.
    files = tuple(RunFile(path, dict(parts)) for path, parts in paths)
    with opened_together(files, wanted.tiles) as arrays:
        return _read_header(arrays, files[0], wanted)


def _header(files: tuple[RunFile, ...], versions: object, wanted: Wanted) -> _Header:
    return _cached(tuple((file.path, tuple(file.parts.items())) for file in files), versions, wanted)


def _read_header(arrays: AttributedArrays, file: RunFile, wanted: Wanted) -> _Header:
    """Shapes of fields, times and cell centres of the files of one moment.

    Raises SourceError for what is absent, and where arrays and times differ in their number of frames.
    """
    found: dict[str, tuple[_ArrayHeader, ...]] = {}
    times = _stored_times(arrays, file, wanted)
    counts = {} if times is None else {wanted.time: len(times)}
    for path, words in wanted.fields:
        held = _by_name(arrays, path)
        found[path] = tuple(_ArrayHeader(name, array.shape, array.dtype) for name, array in held.items())
        counts[path] = sum(_frames(array, words) for array in held.values())
    if len(set(counts.values())) > 1:
        held_frames = ", ".join(f"{path} {count}" for path, count in counts.items())
        raise SourceError(
            f"{arrays.where}: differ in their frames: {held_frames}; correct the recipe, or fix the file"
        )
    centres = [whole(arrays.array(path)).tobytes() for path in wanted.coordinates]
    unit = unit_of_times(arrays, wanted.time)
    return _Header(str(file.path), found, times, next(iter(counts.values()), 1), tuple(centres), unit)


def _counted_as(header: _Header, unit: str) -> _Header:
    """The header with its times in this unit: months may count from dates of their own."""
    if header.times is None or header.unit == unit:
        return header
    return replace(header, times=in_unit(header.times, header.unit, unit, header.where), unit=unit)


def _by_name(arrays: Arrays, path: str) -> dict[str, Array]:
    """The array of a path, or those that a path with `{step}` names."""
    if not names_parts(path):
        return {path: arrays.array(path)}
    return dict(zip(steps_in(arrays.names(), path), arrays_by_step(arrays, path), strict=True))


def _frames(array: Array, words: tuple[str, ...]) -> int:
    """How many frames an array holds that has the axes `words`, or those without t."""
    return array.shape[words.index(TIME)] if len(array.shape) == len(words) else 1


def _stored_times(arrays: Arrays, file: RunFile, wanted: Wanted) -> tuple[float, ...] | None:
    """Times as the recipe says where they are; None where they are in no file."""
    if not wanted.time:
        return None
    if wanted.time == STEP_ITSELF and file.step is not None:
        return (step_number(file.step),)
    return stored_times(arrays, wanted.time, tuple(path for path, _ in wanted.fields))
