"""Carries out a plan: all parts, then card and index; or one share of the parts.

A second run writes nothing. After a killed run, the same command continues. If an input changes, only its
parts are built again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ingest.building.cluster import Cluster, on_cluster
from ingest.building.finish import merge, merged
from ingest.building.lock import lock
from ingest.building.memory import Resources
from ingest.building.overwrite import read_index, require_nothing_lost
from ingest.building.part_record import PartRecord, read_record
from ingest.building.plan import BuildPlan, Part
from ingest.building.processes import Results, in_processes
from ingest.building.shares import BuildOutline, Share, keep_outline
from ingest.building.verify import is_same
from shards.card import Card, QuarantineEntry
from shards.disk import settle
from shards.errors import ShardError
from shards.program.checkup import folder_finding
from shards.write import full_disk_is_an_error

ReportProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class BuildResult:
    """The result of a build: parts written now, parts found done, bytes written, the finished card."""

    folder: Path
    written_parts: int
    reused_parts: int
    written_bytes: int
    card: Card


@dataclass(frozen=True)
class ShareResult:
    """The result of building one share of the parts: counts and what was left out. There is no card yet."""

    folder: Path
    written_parts: int
    reused_parts: int
    written_bytes: int
    quarantine: tuple[QuarantineEntry, ...]


@dataclass(frozen=True)
class DoneParts:
    """The records of parts, in their order, and how many of them were written now."""

    records: list[PartRecord]
    written_parts: int
    written_bytes: int

    @property
    def quarantine(self) -> tuple[QuarantineEntry, ...]:
        """All trajectories and files that were left out of these parts."""
        return tuple(chain.from_iterable(record.quarantine for record in self.records))


def _no_progress(done: int, total: int) -> None:
    """Takes the progress of a build and shows nothing."""


def build(
    plan: BuildPlan, root: Path, resources: Resources, progress: ReportProgress = _no_progress
) -> BuildResult:
    """Builds the dataset of this plan in `root/NAME`; returns what was written and what was found done.

    Raises ShardError if the disk is full, MismatchError if data would be lost, SettingsError if the memory is
    too small for one frame, WalrusError if workers fail.
    """
    folder = root / plan.recipe.name
    require_nothing_lost(plan, folder, plan.parts, resources.slab_bytes(plan.work))
    card = _finished(plan, folder)
    if card is not None:
        progress(len(plan.parts), len(plan.parts))
        return BuildResult(folder, 0, len(plan.parts), 0, card)

    with full_disk_is_an_error(folder), lock(folder):
        done = do_parts(plan, plan.parts, folder, resources, progress)
        card, published = merge(BuildOutline.of(plan), folder, done.records)
    return BuildResult(
        folder=folder,
        written_parts=done.written_parts,
        reused_parts=len(plan.parts) - done.written_parts,
        written_bytes=done.written_bytes + published,
        card=card,
    )


def _finished(plan: BuildPlan, folder: Path) -> Card | None:
    """The card of a dataset that is built as planned, otherwise None. Writes nothing, not even a lock."""
    records = _done(plan, plan.parts, folder)
    if len(records) < len(plan.parts):
        return None
    return merged(BuildOutline.of(plan), folder, list(records.values()))


def _done(plan: BuildPlan, parts: Sequence[Part], folder: Path) -> dict[str, PartRecord]:
    """Finds the parts that are done: their records by name.

    If a large file has a new modification time, its values are compared with the shards: it may be a copy of
    the same file.
    """
    records: dict[str, PartRecord] = {}
    for part in parts:
        record = read_record(folder, part)
        if record is not None and (record.modified == part.modified or is_same(plan, part, record, folder)):
            records[part.name] = record
    return records


def build_share(
    plan: BuildPlan,
    root: Path,
    share: Share,
    resources: Resources,
    progress: ReportProgress = _no_progress,
) -> ShareResult:
    """Builds the parts of one job; other jobs build the other parts.

    Raises as `build` does, and MismatchError if another job has a different plan. The last step is `finish`.
    """
    folder, outline = root / plan.recipe.name, BuildOutline.of(plan, share.jobs)
    mine = [number for number, owner in enumerate(outline.owners()) if owner == share.job]
    parts = [plan.parts[number] for number in mine]
    if not parts:
        return ShareResult(folder, 0, 0, 0, ())

    require_nothing_lost(plan, folder, parts, resources.slab_bytes(plan.work))
    if _finished(plan, folder) is not None:
        found = DoneParts(list(_done(plan, parts, folder).values()), 0, 0)
        return ShareResult(folder, 0, len(parts), 0, found.quarantine)

    with full_disk_is_an_error(folder), lock(folder, mine) as held:
        keep_outline(folder, outline, held)
        done = do_parts(plan, parts, folder, resources, progress)
    return ShareResult(
        folder=folder,
        written_parts=done.written_parts,
        reused_parts=len(parts) - done.written_parts,
        written_bytes=done.written_bytes,
        quarantine=done.quarantine,
    )


def do_parts(
    plan: BuildPlan,
    parts: Sequence[Part],
    folder: Path,
    resources: Resources,
    progress: ReportProgress,
    *,
    keep_index: bool = False,
) -> DoneParts:
    """Builds those of these parts that are not done yet.

    Removes the index first, unless `keep_index`: then no file that it lists changes. Raises ShardError if
    the disk has no room for the parts, before anything is removed.
    """
    records = _done(plan, parts, folder)
    missing = [part for part in parts if part.name not in records]
    if missing and not keep_index:
        _require_room(missing, folder)
        (folder / "index.json").unlink(missing_ok=True)
        settle(folder)
    progress(len(records), len(parts))
    written_bytes = 0
    for part, record in _results(plan, missing, folder, resources):
        records[part.name] = record
        written_bytes += sum(file.length for file in record.files)
        progress(len(records), len(parts))
    return DoneParts([records[part.name] for part in parts], len(missing), written_bytes)


def _require_room(missing: Sequence[Part], folder: Path) -> None:
    """Raises ShardError if the disk has no room for the largest missing part.

    Its size is estimated from the mean bytes per frame of the existing dataset.
    """
    index = read_index(folder)
    if index is None:
        return
    frames = sum(entry.frames for entry in index.trajectories)
    length = sum(file.length for file in index.files)
    largest = max(sum(trajectory.frames for trajectory in part.trajectories) for part in missing)
    problem = folder_finding("root", folder, largest * length // frames, " for the next part").problem
    if problem:
        raise ShardError(f"{problem}; the dataset stays as it is")


def _results(plan: BuildPlan, parts: list[Part], folder: Path, resources: Resources) -> Results:
    slab_bytes = resources.slab_bytes(plan.work)
    if resources.scheduler is None:
        return in_processes(plan, parts, folder, slab_bytes, resources.workers)
    cluster = Cluster(resources.scheduler, resources.wait)
    return on_cluster(plan, parts, folder, slab_bytes, cluster)


def quarantine_lines(items: tuple[QuarantineEntry, ...]) -> list[str]:
    """One line for each trajectory or file that was left out.

    >>> quarantine_lines((QuarantineEntry("a.h5", 3, "u is not finite in frame 9"),))
    ['a.h5, row 3: u is not finite in frame 9']
    """
    lines = []
    for item in items:
        row = "" if item.row is None else f", row {item.row}"
        lines.append(f"{item.path}{row}: {item.reason}")
    return lines
