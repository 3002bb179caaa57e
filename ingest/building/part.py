"""One part of a build: its trajectories read slab by slab, checked, encoded, written; then a record of it.

The record is written last. It holds what the index and the card need of the part, and the digest under which
it need not be done again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Protocol

from ingest.building.agreement import without_file
from ingest.building.checks import FrameChecker, UnfitError
from ingest.building.inputs import InputFile
from ingest.building.plan import BuildPlan, Part
from ingest.source import OpenFile, find
from shards.card import Quarantined
from shards.disk import settle, write_atomically
from shards.errors import ShardError, SourceError
from shards.index import Entry, FileRecord
from shards.json_text import dump, parse
from shards.moments import NONE, Moments, merge_all
from shards.program.machine import keep_freed_memory
from shards.schema import Frames, Trajectory, checked
from shards.shard import shard_stream, single_chunk_shard
from shards.trajectory_document import TrajectoryDocument
from shards.write import Encoded, part_writer

# Frames of a slab stay in the last cache until they are encoded, and its memory is used again for the next
# one.
SLAB_BYTES = 8 * 2**20
RECORDS = "parts"


class PartName(Protocol):
    """A part of which no more is known than its name and the digest of what decides its bytes."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...


@checked
class PartRecord:
    """What a finished part holds."""

    digest: str
    entries: tuple[Entry, ...]
    files: tuple[FileRecord, ...]
    moments: tuple[Moments, ...]
    static_moments: tuple[Moments, ...]
    repeated_frames: int
    quarantine: tuple[Quarantined, ...]
    # The largest error of each channel; empty where every bit is kept.
    errors: tuple[float, ...] = ()


@dataclass(frozen=True)
class _Prepared:
    """A trajectory that is read and checked as it is written."""

    encoded: Encoded
    frames: FrameChecker
    static: FrameChecker


@dataclass(frozen=True)
class _Written:
    entry: Entry
    frames: FrameChecker
    static: FrameChecker


def record_path(dataset: Path, part: str) -> Path:
    return dataset / RECORDS / f"{part}.json"


def read_record(dataset: Path, part: PartName) -> PartRecord | None:
    """The record of a part that is done as planned, its files all in place; else None."""
    path = record_path(dataset, part.name)
    if not path.is_file():
        return None
    try:
        record = parse(PartRecord, path.read_bytes(), str(path))
    except ShardError:
        return None
    if record.digest != part.digest:
        return None
    whole = all(_has_length(dataset / file.path, file.length) for file in record.files)
    return record if whole else None


def _has_length(path: Path, length: int) -> bool:
    return path.is_file() and path.stat().st_size == length


def build_part(plan: BuildPlan, part: Part, dataset: Path, slab_bytes: int = SLAB_BYTES) -> PartRecord:
    """Reads, checks and writes the trajectories of a part, then its record; raises ShardError for a full disk.

    The process keeps the memory that it frees from then on.
    """
    keep_freed_memory()
    _withdraw(record_path(dataset, part.name))
    writer = part_writer(plan.packaging, dataset, part.split, part.name, plan.schema.grid)
    written: list[_Written] = []
    quarantine: list[Quarantined] = []

    def write(prepared: _Prepared) -> None:
        written.append(_Written(writer.add(prepared.encoded), prepared.frames, prepared.static))

    try:
        for path, group in _by_file(part.trajectories):
            quarantine += _pass_file(plan, plan.input(path), list(group), slab_bytes, write)
        files = writer.close()
    except BaseException:
        writer.discard()
        raise
    record = _record(plan, part, written, files, quarantine)
    write_atomically(record_path(dataset, part.name), dump(PartRecord, record).encode())
    return record


def _withdraw(record: Path) -> None:
    """Lest a loss of power bring it back, beside files that are not on the disk yet."""
    if record.exists():
        record.unlink()
        settle(record.parent)


def unfit(
    plan: BuildPlan, trajectories: Iterable[Trajectory], slab_bytes: int = SLAB_BYTES
) -> Iterator[Quarantined]:
    """Those of these trajectories that a build would leave out, found by reading them whole; nothing is written."""

    def drain(prepared: _Prepared) -> None:
        for _, blocks in prepared.encoded.segments:
            deque(blocks, maxlen=0)

    for path, group in _by_file(trajectories):
        yield from _pass_file(plan, plan.input(path), list(group), slab_bytes, drain)


def _by_file(trajectories: Iterable[Trajectory]) -> Iterator[tuple[str, Iterator[Trajectory]]]:
    return groupby(trajectories, key=lambda trajectory: trajectory.origin.file)


def _record(
    plan: BuildPlan,
    part: Part,
    written: list[_Written],
    files: tuple[FileRecord, ...],
    quarantine: list[Quarantined],
) -> PartRecord:
    none = tuple(NONE for _ in plan.schema.channels)
    static_none = tuple(NONE for _ in plan.schema.static_channels)
    return PartRecord(
        part.digest,
        tuple(item.entry for item in written),
        files,
        merge_all([none, *(item.frames.moments for item in written)]),
        merge_all([static_none, *(item.static.moments for item in written)]),
        sum(item.frames.repeated for item in written),
        tuple(quarantine),
        tuple(max(errors) for errors in zip(*(item.frames.errors for item in written), strict=True)),
    )


def _pass_file(
    plan: BuildPlan,
    file: InputFile,
    trajectories: list[Trajectory],
    slab_bytes: int,
    take: Callable[[_Prepared], None],
) -> list[Quarantined]:
    """Hands the trajectories of one file to `take`; returns those that are not fit, and why."""
    quarantine: list[Quarantined] = []
    try:
        with find(plan.recipe.source).open_file(file.place, plan.recipe) as opened:
            for trajectory in trajectories:
                try:
                    take(_prepare(plan, opened, trajectory, slab_bytes))
                except (UnfitError, SourceError) as error:
                    reason = without_file(error, file)
                    quarantine.append(Quarantined(file.path, trajectory.origin.row, reason))
    except SourceError as error:
        reason = without_file(error, file)
        return [Quarantined(file.path, trajectory.origin.row, reason) for trajectory in trajectories]
    return quarantine


def _prepare(plan: BuildPlan, opened: OpenFile, trajectory: Trajectory, slab_bytes: int) -> _Prepared:
    schema, row = plan.schema, trajectory.origin.row
    inspection = FrameChecker(schema, schema.channels, plan.channel_powers(constant=False), plan.allowed)
    static = FrameChecker(schema, schema.static_channels, plan.channel_powers(constant=True))
    slabs = read_slabs(opened, row, trajectory.frames, slab_bytes // plan.read_frame_bytes)
    frames = inspection.passes(slabs)
    constants = static.static(opened.static(row)) if schema.static_channels else None
    encoded = Encoded(
        _document(plan, trajectory),
        _segments(plan, trajectory, frames, inspection),
        single_chunk_shard(opened.boundary(row), plan.codec),
        None if constants is None else single_chunk_shard(constants, plan.codec),
    )
    return _Prepared(encoded, inspection, static)


def _document(plan: BuildPlan, trajectory: Trajectory) -> TrajectoryDocument:
    schema = plan.schema
    return TrajectoryDocument(
        dataset=plan.recipe.name,
        trajectory=trajectory,
        first=0,
        frames=trajectory.frames,
        axes=schema.grid.axes,
        shape=schema.grid.shape,
        boundaries=schema.boundaries,
        channels=schema.channels,
        scale=tuple(2.0**k for k in plan.channel_powers(constant=False)),
        static_channels=schema.static_channels,
        static_scale=tuple(2.0**k for k in plan.channel_powers(constant=True)),
        dtype=schema.dtype,
        codec=plan.codec,
        chunk=plan.chunk,
        shard_frames=min(plan.shard_frames, trajectory.frames),
    )


def read_slabs(opened: OpenFile, row: int, frames: int, slab_frames: int) -> Iterator[Frames]:
    """The first `frames` of a row in slabs [T, C, *S] that bound the memory, never less than a frame."""
    slab = max(1, slab_frames)
    for start in range(0, frames, slab):
        yield opened.frames(row, start, min(start + slab, frames))


def _segments(
    plan: BuildPlan, trajectory: Trajectory, frames: Iterator[Frames], inspection: FrameChecker
) -> Iterator[tuple[int, Iterator[bytes]]]:
    """(frames, bytes) of each shard; ends in the check that needs the whole trajectory."""
    shard_frames = min(plan.shard_frames, trajectory.frames)
    slots = shard_frames * (plan.schema.frame_shape[1] // plan.chunk[1])
    for start in range(0, trajectory.frames, shard_frames):
        count = min(shard_frames, trajectory.frames - start)
        yield count, shard_stream(islice(frames, count), slots, plan.chunk, plan.codec)
    still = inspection.still_fields(plan.schema)
    if still:
        raise UnfitError(
            f"{' and '.join(still)} never changes; declare it constant, or leave the trajectory out"
        )
