"""Writes one part of a build: reads its trajectories slab by slab, checks, encodes and writes them.

The record of the part is written last. It holds what index and card need, and a digest: from it, a later run
knows that the part is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, groupby, islice
from pathlib import Path

import numpy as np

from ingest.building.agreement import without_file
from ingest.building.caveats import absent_chunks_of
from ingest.building.checks import NotFiniteError, UnfitError, require_finite
from ingest.building.frame_statistics import FAR, FrameStatistics, SolidCells, with_moments, without_solid
from ingest.building.inputs import InputFile, require_unchanged
from ingest.building.memory import SLAB_BYTES
from ingest.building.part_record import TO_BE_REPEATED, PartRecord, record_path
from ingest.building.plan import BuildPlan, Part
from ingest.building.stored_units import StoredUnits
from ingest.remote.attempts import NoAnswerError
from ingest.source import OpenFile, find
from shards.card import QuarantineEntry
from shards.disk import settle, write_atomically
from shards.errors import SourceError
from shards.index import Entry, FileRecord
from shards.json_text import dump_with_checksum
from shards.moments import NONE, Moments, merge_all, of_frames
from shards.program.machine import keep_freed_memory
from shards.schema import Cell, Frames, Origin, Trajectory
from shards.shard import shard_stream, single_chunk_shard
from shards.trajectory_document import TrajectoryDocument
from shards.write import EncodedTrajectory, part_writer


@dataclass(frozen=True)
class _PreparedTrajectory:
    """A trajectory that is read and checked while it is written."""

    encoded: EncodedTrajectory
    frames: FrameStatistics
    static: tuple[Moments, ...]


@dataclass(frozen=True)
class _WrittenTrajectory:
    """What index and card need of a trajectory that is on the disk."""

    entry: Entry
    origin: Origin
    frames: FrameStatistics
    static: tuple[Moments, ...]


@dataclass
class _LeftOut:
    """The trajectories of a file that were left out; not `answered` if a server did not give one."""

    file: InputFile
    items: list[QuarantineEntry] = field(default_factory=list)
    answered: bool = True

    def add(self, trajectory: Trajectory, error: UnfitError | SourceError) -> None:
        """Leaves out a trajectory for this reason."""
        reason = without_file(error, self.file)
        if isinstance(error, NotFiniteError):
            reason += self._absent_chunks
        self.items.append(QuarantineEntry(self.file.path, trajectory.origin.row, reason))
        self.answered = self.answered and not isinstance(error, NoAnswerError)

    @cached_property
    def _absent_chunks(self) -> str:
        """Read once, and only if a value is not finite."""
        return absent_chunks_of(self.file)


def build_part(plan: BuildPlan, part: Part, dataset: Path, slab_bytes: int = SLAB_BYTES) -> PartRecord:
    """Writes the trajectories of a part, then its record.

    Raises ShardError if the disk is full, MismatchError if an input changes meanwhile. From then on the
    process keeps freed memory for its next slabs.
    """
    keep_freed_memory()
    _withdraw(record_path(dataset, part.name))
    writer = part_writer(plan.packaging, dataset, part.split, part.name, plan.schema.grid)
    written: list[_WrittenTrajectory] = []
    quarantine: list[QuarantineEntry] = []
    answered = True

    def write(prepared: _PreparedTrajectory) -> None:
        origin = prepared.encoded.document.trajectory.origin
        written.append(
            _WrittenTrajectory(writer.add(prepared.encoded), origin, prepared.frames, prepared.static)
        )

    try:
        for path, group in _by_file(part.trajectories):
            left_out = _pass_file(plan, plan.input(path), list(group), slab_bytes, write)
            quarantine += left_out.items
            answered = answered and left_out.answered
            require_unchanged(plan.recipe, plan.input(path))
        files = writer.close()
    except BaseException:
        writer.discard()
        raise
    record = _record(plan, part, written, files, quarantine)
    if not answered:
        record = replace(record, digest=TO_BE_REPEATED)
    write_atomically(record_path(dataset, part.name), dump_with_checksum(PartRecord, record))
    return record


def _withdraw(record: Path) -> None:
    """Removes a record durably, so that it cannot come back after a loss of power and list missing files."""
    if record.exists():
        record.unlink()
        settle(record.parent)


def unfit(
    plan: BuildPlan, trajectories: Iterable[Trajectory], slab_bytes: int = SLAB_BYTES
) -> Iterator[QuarantineEntry]:
    """Yields the trajectories that a build would leave out. Reads all of their frames and writes nothing."""
    for path, group in _by_file(trajectories):
        yield from _pass_file(plan, plan.input(path), list(group), slab_bytes, _encode_only).items


def _encode_only(prepared: _PreparedTrajectory) -> None:
    for _, blocks in prepared.encoded.segments:
        deque(blocks, maxlen=0)


def _by_file(trajectories: Iterable[Trajectory]) -> Iterator[tuple[str, Iterator[Trajectory]]]:
    return groupby(trajectories, key=lambda trajectory: trajectory.origin.file)


def _record(
    plan: BuildPlan,
    part: Part,
    written: list[_WrittenTrajectory],
    files: tuple[FileRecord, ...],
    quarantine: list[QuarantineEntry],
) -> PartRecord:
    """Collects from the written trajectories what index and card need."""
    none = tuple(NONE for _ in plan.schema.channels)
    static_none = tuple(NONE for _ in plan.schema.static_channels)
    errors_of_channels = zip(*(item.frames.errors for item in written), strict=True)
    return PartRecord(
        digest=part.digest,
        entries=tuple(item.entry for item in written),
        files=files,
        moments=merge_all([none, *(item.frames.moments for item in written)]),
        static_moments=merge_all([static_none, *(item.static for item in written)]),
        repeated_frames=sum(item.frames.repeated for item in written),
        quarantine=tuple(quarantine),
        errors=tuple(max(errors) for errors in errors_of_channels),
        modified=part.modified,
        outliers=tuple(chain.from_iterable(map(_outliers, written))),
    )


def _outliers(item: _WrittenTrajectory) -> Iterator[str]:
    origin = item.origin
    for channel, found in item.frames.outliers.items():
        yield (
            f"{origin.file}, row {origin.row}: {channel} reaches {found.value:.3g} in frame {found.frame}, "
            f"more than {FAR:g} times the RMS of the other cells; check the file"
        )


def _pass_file(
    plan: BuildPlan,
    file: InputFile,
    trajectories: list[Trajectory],
    slab_bytes: int,
    take: Callable[[_PreparedTrajectory], None],
) -> _LeftOut:
    """Passes the trajectories of one file to `take`; returns those that were left out, with the reasons."""
    left_out = _LeftOut(file)
    try:
        with find(plan.recipe.source).open_file(file.place, plan.recipe) as opened:
            for trajectory in trajectories:
                try:
                    take(_prepare(plan, opened, trajectory, slab_bytes))
                except (UnfitError, SourceError) as error:
                    left_out.add(trajectory, error)
    except SourceError as error:
        left_out = _LeftOut(file)
        for trajectory in trajectories:
            left_out.add(trajectory, error)
    return left_out


def _prepare(
    plan: BuildPlan, opened: OpenFile, trajectory: Trajectory, slab_bytes: int
) -> _PreparedTrajectory:
    """Prepares a trajectory: its frames are read, checked and encoded when its shards are written."""
    schema, row = plan.schema, trajectory.origin.row
    statistics = FrameStatistics(schema.channels)
    slabs = read_slabs(opened, row, trajectory.frames, slab_bytes // plan.read_frame_bytes)
    solid = _filled_cells(plan, opened, row)
    frames = checked_frames(slabs, frame_units(plan), statistics, opened.rows[row].files, solid)
    static, static_moments = _constants(plan, opened, row, solid)
    encoded = EncodedTrajectory(
        document=_document(plan, trajectory),
        segments=_segments(plan, trajectory, frames, statistics),
        boundary=single_chunk_shard(opened.boundary(row), plan.codec),
        static=static,
    )
    return _PreparedTrajectory(encoded, statistics, static_moments)


def frame_units(plan: BuildPlan) -> StoredUnits:
    """The units in which the frames of a plan are stored."""
    return StoredUnits(plan.schema.channels, plan.frame_powers, plan.schema.dtype, plan.allowed)


def _filled_cells(plan: BuildPlan, opened: OpenFile, row: int) -> SolidCells | None:
    """Cells [*S] that the recipe's [mask] calls solid, which hold no values."""
    if plan.recipe.mask is None:
        return None
    solid: SolidCells = (opened.boundary(row) & Cell.OBSTACLE) > 0
    return solid


def checked_frames(
    slabs: Iterable[Frames],
    units: StoredUnits,
    statistics: FrameStatistics,
    files: tuple[str, ...] = (),
    solid: SolidCells | None = None,
) -> Iterator[Frames]:
    """Yields the frames [C, *S] of slabs [T, C, *S] in stored units, and adds them to the statistics.

    `files` names the file of each frame, if there are several. Cells in `solid` [*S] are not checked.
    Raises UnfitError at the first frame that is not finite, or that would lose more than is allowed.
    """
    for number, (frame, moments) in enumerate(with_moments(slabs, solid)):
        where = f"frame {number} ({files[number]})" if files else f"frame {number}"
        require_finite(units.channels, moments, _cells(frame, solid), where)
        stored, errors = units.store(frame, moments, where)
        statistics.add(moments, errors)
        yield stored


def _cells(frame: Frames, solid: SolidCells | None) -> int:
    """The number of cells of a frame [C, *S] that hold values."""
    return int(frame[0].size) - (0 if solid is None else int(np.count_nonzero(solid)))


def _constants(
    plan: BuildPlan, opened: OpenFile, row: int, solid: SolidCells | None
) -> tuple[bytes | None, tuple[Moments, ...]]:
    """The constant fields as stored (None if there are none) and their moments; raises UnfitError."""
    schema, where = plan.schema, "a constant field"
    if not schema.static_channels:
        return None, ()
    values = opened.static(row)
    (moments,) = of_frames(without_solid(values[None], solid))
    require_finite(schema.static_channels, moments, _cells(values, solid), where)
    units = StoredUnits(schema.static_channels, plan.static_powers, schema.dtype)
    stored, _ = units.store(values, moments, where)
    return single_chunk_shard(stored, plan.codec), moments


def _document(plan: BuildPlan, trajectory: Trajectory) -> TrajectoryDocument:
    """The document that is stored next to the arrays of a trajectory."""
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
        scale=tuple(2.0**k for k in plan.frame_powers),
        static_channels=schema.static_channels,
        static_scale=tuple(2.0**k for k in plan.static_powers),
        dtype=schema.dtype,
        codec=plan.codec,
        chunk=plan.chunk,
        shard_frames=min(plan.shard_frames, trajectory.frames),
    )


def read_slabs(opened: OpenFile, row: int, frames: int, slab_frames: int) -> Iterator[Frames]:
    """Reads the first `frames` frames of a row in slabs [T, C, *S] that bound the memory; at least one frame
    each.
    """
    slab = max(1, slab_frames)
    for start in range(0, frames, slab):
        yield opened.frames(row, start, min(start + slab, frames))


def _segments(
    plan: BuildPlan, trajectory: Trajectory, frames: Iterator[Frames], statistics: FrameStatistics
) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Yields (frames, bytes) of each shard; then runs the check that needs the whole trajectory."""
    shard_frames = min(plan.shard_frames, trajectory.frames)
    slots = shard_frames * (plan.schema.frame_shape[1] // plan.chunk[1])
    for start in range(0, trajectory.frames, shard_frames):
        count = min(shard_frames, trajectory.frames - start)
        yield count, shard_stream(islice(frames, count), slots, plan.chunk, plan.codec)
    stopped = statistics.stopped_at()
    if stopped is not None and plan.recipe.at_rest == "refuse":
        raise UnfitError(
            f"no channel changes from frame {stopped} of {trajectory.frames} on: the run was killed, or is "
            'not finished; run it again, or set at_rest = "keep" if the state is at rest'
        )
    still = statistics.still_fields(plan.schema)
    if still and plan.recipe.at_rest == "refuse":
        raise UnfitError(
            f'{" and ".join(still)} never changes; declare it constant, set at_rest = "keep", or exclude '
            "the trajectory"
        )
