"""A whole build: plan, parts by as many processes as asked for, then card and index; or a share of the parts.

Running twice writes nothing; a killed run goes on where it stopped; a changed input redoes its parts only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ingest.building.cluster import on_cluster
from ingest.building.finish import merge
from ingest.building.lock import lock
from ingest.building.memory import slab_within
from ingest.building.overwrite import keep_what_is_there
from ingest.building.part import PartRecord, read_record
from ingest.building.plan import BuildPlan, Part
from ingest.building.processes import RunParts, in_processes
from ingest.building.shares import BuildOutline, keep_outline
from shards.card import Card, Quarantined
from shards.disk import settle
from shards.write import full_disk_is_an_error

TellProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class Built:
    """What a build did: parts written now and found done, bytes written, the finished card."""

    folder: Path
    written_parts: int
    reused_parts: int
    written_bytes: int
    card: Card


@dataclass(frozen=True)
class BuiltShare:
    """What a build of one share of the parts did, and what of it was left out; there is no card yet."""

    folder: Path
    written_parts: int
    reused_parts: int
    written_bytes: int
    quarantine: tuple[Quarantined, ...]


@dataclass(frozen=True)
class DoneParts:
    """The records of parts, in their order, and how many of them were written now."""

    records: list[PartRecord]
    written_parts: int
    written_bytes: int


@dataclass(frozen=True)
class Resources:
    """Who does the parts: processes here, or the cluster of a scheduler's address, and the bytes they may hold.

    `memory` bounds all processes here together, or each worker of a cluster; None leaves it to the usual slab.
    """

    workers: int
    scheduler: str | None = None
    memory: int | None = None

    def slab_bytes(self, plan: BuildPlan) -> int:
        return slab_within(plan, self.memory, self.workers if self.scheduler is None else 1)

    @property
    def run(self) -> RunParts:
        if self.scheduler is None:
            return partial(in_processes, workers=self.workers)
        return partial(on_cluster, scheduler=self.scheduler)


def build(
    plan: BuildPlan,
    root: Path,
    workers: int,
    progress: TellProgress,
    *,
    scheduler: str | None = None,
    memory: int | None = None,
) -> Built:
    """Carries the plan out below `root`, on the cluster of a scheduler's address or in processes here.

    Raises ShardError for a full disk, MismatchError where data would be lost, SettingsError where `memory` is
    too small for one frame, WalrusError where workers fail.
    """
    folder, means = root / plan.recipe.name, Resources(workers, scheduler, memory)
    keep_what_is_there(plan, folder, plan.parts, means.slab_bytes(plan))
    with full_disk_is_an_error(folder), lock(folder):
        done = do_parts(plan, plan.parts, folder, progress, means)
        card, published = merge(BuildOutline.of(plan), folder, done.records)
    reused = len(plan.parts) - done.written_parts
    return Built(folder, done.written_parts, reused, done.written_bytes + published, card)


def build_share(
    plan: BuildPlan, root: Path, job: int, jobs: int, progress: TellProgress, means: Resources
) -> BuiltShare:
    """Does the parts of job `job` of `jobs`, from 1 on, and leaves the rest to the others and to `finish`.

    Raises as `build` does, and MismatchError where another job planned otherwise.
    """
    folder, outline = root / plan.recipe.name, BuildOutline.of(plan, jobs)
    mine = [number for number, owner in enumerate(outline.owners()) if owner == job]
    parts = [plan.parts[number] for number in mine]
    if not parts:
        return BuiltShare(folder, 0, 0, 0, ())
    keep_what_is_there(plan, folder, parts, means.slab_bytes(plan))
    with full_disk_is_an_error(folder), lock(folder, mine) as held:
        keep_outline(folder, outline, held)
        done = do_parts(plan, parts, folder, progress, means)
    quarantine = tuple(item for record in done.records for item in record.quarantine)
    return BuiltShare(
        folder, done.written_parts, len(parts) - done.written_parts, done.written_bytes, quarantine
    )


def do_parts(
    plan: BuildPlan,
    parts: Sequence[Part],
    folder: Path,
    progress: TellProgress,
    means: Resources,
    *,
    index_stays: bool = False,
) -> DoneParts:
    """Does those of these parts that are not done, the index withdrawn before unless all that it names stays."""
    records = {part.name: record for part in parts if (record := read_record(folder, part)) is not None}
    missing = [part for part in parts if part.name not in records]
    if missing and not index_stays:
        (folder / "index.json").unlink(missing_ok=True)
        settle(folder)
    progress(len(records), len(parts))
    for part, record in means.run(plan, missing, folder, means.slab_bytes(plan)):
        records[part.name] = record
        progress(len(records), len(parts))
    written = sum(file.length for part in missing for file in records[part.name].files)
    return DoneParts([records[part.name] for part in parts], len(missing), written)


def quarantine_lines(items: tuple[Quarantined, ...]) -> list[str]:
    """One line for each thing that was left out."""
    return [f"{i.path}" + ("" if i.row is None else f", row {i.row}") + f": {i.reason}" for i in items]
