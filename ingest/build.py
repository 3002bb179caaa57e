"""A whole build: plan, parts by as many processes as asked for, then card and index.

Running twice writes nothing; a killed run goes on where it stopped; a changed input redoes its parts only.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import chain
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import TypeVar

from ingest.part import RECORDS, PartRecord, build_part, read_record, unfit
from ingest.plan import Part, Plan, recipe_digest
from ingest.recipe import Recipe
from shards.card import Card, ChannelMoments, Count, Input, Quarantined
from shards.document import parse, write_atomically
from shards.errors import MismatchError, ShardError, SourceError, WalrusError
from shards.index import Index
from shards.moments import merge_all
from shards.publish import publish
from shards.settings import dump_toml
from shards.spec import SPLITS
from shards.write import full_disk_is_an_error

T = TypeVar("T")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Built:
    """What a build did: parts written now and found done, bytes written, the finished card."""

    folder: Path
    written_parts: int
    reused_parts: int
    written_bytes: int
    card: Card


def build(plan: Plan, root: Path, workers: int, progress: Progress) -> Built:
    """Carries the plan out below `root`; raises ShardError for a full disk, MismatchError where data would be lost."""
    folder = root / plan.recipe.name
    _keeps_what_is_there(plan, folder)
    with full_disk_is_an_error(folder):
        # The records' folder comes first: by it a later run knows that the rest is a build's.
        (folder / RECORDS).mkdir(parents=True, exist_ok=True)
        done = {part.name: record for part in plan.parts if (record := read_record(folder, part)) is not None}
        missing = [part for part in plan.parts if part.name not in done]
        if missing:
            (folder / "index.json").unlink(missing_ok=True)
        records = dict(done)
        progress(len(done), len(plan.parts))
        for part, record in _run(plan, missing, folder, workers):
            records[part.name] = record
            progress(len(records), len(plan.parts))
        written = sum(file.length for part in missing for file in records[part.name].files)
        card, published = _finish(plan, folder, [records[part.name] for part in plan.parts])
    return Built(folder, len(missing), len(done), written + published, card)


def _keeps_what_is_there(plan: Plan, folder: Path) -> None:
    """A build clears away what it does not know: it must know all that is there, and its bad inputs cost nothing."""
    _require_ours(plan, folder)
    index, card = _document(Index, folder / "index.json"), _document(Card, folder / "card.json")
    if index is not None and index.packaging != plan.packaging:
        raise MismatchError(f"{folder}: is built as {index.packaging}; use walrus-ingest convert, or another root")
    if card is None:
        return
    lost = next(_lost(plan, card, index), None)
    if lost is not None:
        raise MismatchError(f"{folder}: was built from {lost}; bring it back, or remove the folder to build anew")


def _document(cls: type[T], path: Path) -> T | None:
    try:
        return parse(cls, path.read_bytes(), str(path)) if path.is_file() else None
    except ShardError as error:
        raise ShardError(f"{error}; damaged: delete it and build again") from error


def _require_ours(plan: Plan, folder: Path) -> None:
    inside = [file.path for file in plan.inputs if file.place.resolve().is_relative_to(folder.resolve())]
    if inside:
        raise MismatchError(f"{folder}: the input {inside[0]} lies in the folder to be built; name another root")
    ours = any((folder / name).exists() for name in ("index.json", RECORDS))
    if folder.is_dir() and any(folder.iterdir()) and not ours:
        raise MismatchError(f"{folder}: is not empty and not a built dataset; name another root")


def _lost(plan: Plan, card: Card, index: Index | None) -> Iterator[str]:
    """Inputs of the last build that would not give now what they gave then; changed ones are read whole to know."""
    refused = {item.path: item.reason for item in plan.refused if item.row is None}
    digests = {file.path: file.digest for file in plan.inputs if file.path not in refused}
    for item in card.inputs:
        if item.path not in digests:
            yield f"{item.path}, which {refused.get(item.path, 'is not there now')}"
    changed = {item.path for item in card.inputs if digests.get(item.path) != item.digest}
    built = {(entry.split, entry.key) for entry in (index.trajectories if index else ())}
    planned = [trajectory for part in plan.parts for trajectory in part.trajectories]
    again = [t for t in planned if t.origin.file in changed and (t.split, t.key) in built]
    bad_before = {(item.path, item.row) for item in card.quarantine}
    bad_rows = [
        i for i in plan.refused if i.path in changed and i.row is not None and (i.path, i.row) not in bad_before
    ]
    for bad in chain(bad_rows, unfit(plan, again)):
        yield f"{bad.path}, which has changed: row {bad.row}: {bad.reason}"


def _run(plan: Plan, parts: list[Part], folder: Path, workers: int) -> Iterator[tuple[Part, PartRecord]]:
    if workers == 1 or len(parts) < 2:
        for part in parts:
            yield part, build_part(plan, part, folder)
        return
    # It is pickled for every part, and a part needs no other.
    terms = replace(plan, parts=(), refused=())
    with _pool(min(workers, len(parts))) as pool:
        jobs = {pool.submit(build_part, terms, part, folder): part for part in parts}
        for job in as_completed(jobs):
            yield jobs[job], _result(job)


def _result(job: Future[PartRecord]) -> PartRecord:
    try:
        return job.result()
    except BrokenProcessPool as error:
        raise WalrusError("a worker process was killed, most often for want of memory; use fewer --workers") from error


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that share nothing: HDF5 does not survive a fork. What has not begun is dropped on an error."""
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_follow_parent)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _follow_parent() -> None:
    """In a worker: Ctrl-C is for the parent to handle, and a killed parent leaves no one behind who still writes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _finish(plan: Plan, folder: Path, records: list[PartRecord]) -> tuple[Card, int]:
    """Merges the records into card and index; the index comes last."""
    entries = tuple(entry for record in records for entry in record.entries)
    if not entries:
        reason = next(item for record in records for item in record.quarantine)
        shutil.rmtree(folder)
        raise SourceError(f"{reason.path}, row {reason.row}: {reason.reason}; no trajectory is left to build")
    files = tuple(file for record in records for file in record.files)
    _remove_strays(plan, folder, {file.path for file in files})
    recipe = dump_toml(asdict(plan.recipe)).encode()
    written = 0
    if not (folder / "recipe.toml").is_file() or (folder / "recipe.toml").read_bytes() != recipe:
        write_atomically(folder / "recipe.toml", recipe)
        written += len(recipe)
    card = _card(plan, records)
    return card, written + publish(folder, card, plan.packaging, files, entries)


def _remove_strays(plan: Plan, folder: Path, known: set[str]) -> None:
    """Files and records of parts that an earlier plan had and this one has not, and what a killed run left."""
    names = {part.name for part in plan.parts}
    for path in (folder / RECORDS).glob("*.json"):
        if path.stem not in names:
            path.unlink()
    for split in SPLITS:
        for path in sorted((folder / split).rglob("*"), reverse=True):
            if path.is_file() and path.relative_to(folder).as_posix() not in known:
                path.unlink()
            elif path.is_dir() and not any(path.iterdir()):
                path.rmdir()


def _card(plan: Plan, records: list[PartRecord]) -> Card:
    schema, recipe = plan.schema, plan.recipe
    train = [record for record in records if record.entries and record.entries[0].split == "train"] or records
    channels = (*schema.channels, *schema.static_channels)
    moments = (*merge_all([r.moments for r in train]), *merge_all([r.static_moments for r in train]))
    entries = [entry for record in records for entry in record.entries]
    counts = {split: [entry for entry in entries if entry.split == split] for split in SPLITS}
    used = {trajectory.origin.file for part in plan.parts for trajectory in part.trajectories}
    return Card(
        name=recipe.name,
        title=recipe.title,
        source=recipe.source,
        schema=schema,
        powers=plan.powers,
        codec=plan.codec,
        chunk=plan.chunk,
        moments={channel: ChannelMoments.of(m) for channel, m in zip(channels, moments, strict=True)},
        counts={split: Count(len(chosen), sum(e.frames for e in chosen)) for split, chosen in counts.items()},
        licence=recipe.licence,
        citation=recipe.citation,
        home=recipe.home,
        note=recipe.note,
        correction=recipe.correction.reason if recipe.correction else "",
        differences=_differences(recipe, plan, len(entries)),
        repeated_frames=sum(record.repeated_frames for record in records),
        quarantine=(*plan.refused, *(item for record in records for item in record.quarantine)),
        inputs=tuple(Input(file.path, file.bytes, file.digest) for file in plan.inputs if file.path in used),
        recipe_digest=recipe_digest(recipe),
    )


def _differences(recipe: Recipe, plan: Plan, trajectories: int) -> tuple[str, ...]:
    """Where the files differ from the published release: reported, never enforced."""
    frames = sorted({t.frames for part in plan.parts for t in part.trajectories})
    expected = recipe.expected
    found = [
        ("grid", expected.grid or None, plan.schema.grid.shape),
        ("frames", expected.frames, frames[0] if len(frames) == 1 else frames),
        ("trajectories", expected.trajectories, trajectories),
    ]
    return tuple(f"{word} {b}, the published release has {a}" for word, a, b in found if a is not None and a != b)


def quarantine_lines(items: tuple[Quarantined, ...]) -> list[str]:
    """One line for each thing that was left out."""
    return [f"{i.path}" + ("" if i.row is None else f", row {i.row}") + f": {i.reason}" for i in items]
