"""Reads the headers of the files of a run: shapes, times, cell centres and parameters.

Headers are read once per process, because a build opens a run several times (docs/decisions/0051).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ingest.fields.axes_in_files import require_order
from ingest.fields.files_by_variable import open_files_of_time
from ingest.fields.numbers_at import numbers_at, numbers_if_any
from ingest.fields.reference_dates import in_unit
from ingest.fields.series import arrays_by_step
from ingest.fields.stored_times import stored_times, unit_of_stored
from ingest.formats.arrays import Array, Arrays, AttributedArrays, whole
from ingest.formats.dates import SINCE_1970
from ingest.formats.natural_sort import steps_in
from ingest.formats.open_any import located
from ingest.formats.run_files import RunFile
from ingest.layout import PREVIOUS_FILE, STEP_ITSELF, TIME, Overlap, TileRule
from ingest.name_numbers import is_date, step_number
from ingest.name_pattern import names_parts
from shards.errors import SourceError


@dataclass(frozen=True)
class HeaderRequest:
    """What a recipe needs from each file of a run.

    These are paths of fields with their axes, paths of coordinates, the place of the times, the rule for
    tiles, the rule for times in two files, the offset of the times, parameters by name, and the axes of the
    grid.
    """

    fields: tuple[tuple[str, tuple[str, ...]], ...]
    coordinates: tuple[str, ...]
    time: str
    tiles: TileRule | None
    overlap: Overlap = "refuse"
    offset: str = ""
    scalars: tuple[tuple[str, str], ...] = ()
    axes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ArrayHeader:
    path: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class Header:
    """The header of the files of one time: arrays by path, times if they are stored, coordinates as bytes."""

    where: str
    arrays: dict[str, tuple[ArrayHeader, ...]]
    times: tuple[float, ...] | None
    frames: int
    coordinates: tuple[bytes, ...]
    unit: str
    scalars: dict[str, tuple[float, ...]]


def _versions(files: tuple[RunFile, ...]) -> tuple[tuple[int, int], ...]:
    """The size and modification time of each file; if they change, the header is read again."""
    statuses = [located(file.path).stat() for file in files]
    return tuple((status.st_size, status.st_mtime_ns) for status in statuses)


@lru_cache(maxsize=2**16)
def _cached(
    paths: tuple[tuple[Path, tuple[tuple[str, str], ...]], ...], versions: object, wanted: HeaderRequest
) -> Header:
    # A build opens a run several times (to plan, to measure, to read), but reads its headers once.
    files = tuple(RunFile(path, dict(parts)) for path, parts in paths)
    with open_files_of_time(files, wanted.tiles) as arrays:
        return _read_header(arrays, files[0], wanted)


def header_of(files: tuple[RunFile, ...], wanted: HeaderRequest) -> Header:
    """The header of the files of one time; raises SourceError if something is missing."""
    parts = tuple((file.path, tuple(file.parts.items())) for file in files)
    return _cached(parts, _versions(files), wanted)


def _read_header(arrays: AttributedArrays, file: RunFile, wanted: HeaderRequest) -> Header:
    """Reads shapes of fields, times and cell centres of the files of one time.

    Raises SourceError if one is absent, if axes are in another order than in the recipe, or if arrays and
    times have different numbers of frames.
    """
    found: dict[str, tuple[ArrayHeader, ...]] = {}
    times = _stored_times(arrays, file, wanted)
    counts = {} if times is None else {wanted.time: len(times)}

    for path, words in wanted.fields:
        held = _by_name(arrays, path)
        require_order(arrays, path, words, wanted.axes)
        found[path] = tuple(ArrayHeader(name, array.shape, array.dtype) for name, array in held.items())
        counts[path] = sum(_frames(array, words) for array in held.values())

    if len(set(counts.values())) > 1:
        held_frames = ", ".join(f"{path} {count}" for path, count in counts.items())
        raise SourceError(
            f"{arrays.where}: arrays have different numbers of frames: {held_frames}; correct the recipe, or "
            "fix the file"
        )

    centres = [whole(arrays.array(path)).tobytes() for path in wanted.coordinates]
    unit = _unit_of_times(arrays, file, wanted)
    scalars = dict(_scalars(arrays, wanted))
    frames = next(iter(counts.values()), 1)
    return Header(str(file.path), found, times, frames, tuple(centres), unit, scalars)


def _scalars(arrays: AttributedArrays, wanted: HeaderRequest) -> Iterator[tuple[str, tuple[float, ...]]]:
    """The parameters that these files hold, by their places."""
    for _, place in wanted.scalars:
        values = numbers_if_any(arrays, place)
        if values is not None:
            yield place, values


def one_after_another(headers: Iterable[Header]) -> Iterator[Header]:
    """The headers with the times of each counted from the last time of the one before."""
    last = 0.0
    for header in headers:
        times = tuple(last + time for time in header.times or ())
        last = times[-1] if times else last
        yield replace(header, times=times)


def counted_as(header: Header, unit: str) -> Header:
    """The header with its times in this unit; files of months may count from different dates."""
    if header.times is None or header.unit == unit:
        return header
    return replace(header, times=in_unit(header.times, header.unit, unit, header.where), unit=unit)


def _by_name(arrays: Arrays, path: str) -> dict[str, Array]:
    """The array at a path, or all arrays at a path with `{step}`, by name."""
    if not names_parts(path):
        return {path: arrays.array(path)}
    return dict(zip(steps_in(arrays.names(), path), arrays_by_step(arrays, path), strict=True))


def _frames(array: Array, words: tuple[str, ...]) -> int:
    """The number of frames of an array with the axes `words`; 1 if it lacks the axis t."""
    return array.shape[words.index(TIME)] if len(array.shape) == len(words) else 1


def _unit_of_times(arrays: AttributedArrays, file: RunFile, wanted: HeaderRequest) -> str:
    """The unit of these times: of dates in the names of files, that in which dates are counted."""
    if wanted.time == STEP_ITSELF and file.step is not None:
        return SINCE_1970 if is_date(file.step) else ""
    return unit_of_stored(arrays, wanted.time, tuple(path for path, _ in wanted.fields))


def _stored_times(arrays: AttributedArrays, file: RunFile, wanted: HeaderRequest) -> tuple[float, ...] | None:
    """The times at the place that the recipe states; None if it states none."""
    if not wanted.time:
        return None
    if wanted.time == STEP_ITSELF and file.step is not None:
        return (step_number(file.step),)
    times = stored_times(arrays, wanted.time, tuple(path for path, _ in wanted.fields))
    if wanted.offset in ("", PREVIOUS_FILE):
        return times
    offset = numbers_at(arrays, wanted.offset)[0]
    return tuple(offset + time for time in times)
