"""Adds files to a built dataset. Of the existing files only the card and the index are written again.

The reasons are in docs/decisions/0006-append.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.building.agreement import ExistingDataset
from ingest.building.build import ReportProgress, do_parts
from ingest.building.digests import shard_digest
from ingest.building.finish import complete, merge
from ingest.building.inputs import InputFile, find_inputs
from ingest.building.lock import lock
from ingest.building.memory import Resources
from ingest.building.overwrite import read_card, read_index
from ingest.building.part_record import RECORDS, PartRecord, record_path
from ingest.building.plan import BuildPlan, plan_onto
from ingest.building.shares import UNFINISHED, BuildOutline, PartOutline
from ingest.recipe import Recipe
from shards.card import Card, KeptError, QuarantineEntry
from shards.disk import write_atomically
from shards.errors import MismatchError, ShardError
from shards.files import LocalFiles
from shards.format_version import FORMAT
from shards.index import DatasetIndex
from shards.json_text import dump_with_checksum, parse_with_checksum
from shards.program.settings import load
from shards.read import Dataset
from shards.schema import SPLITS, Split
from shards.write import full_disk_is_an_error

# The name of a part; merging removes all other files from the folder of the records.
PART = re.compile(rf"({'|'.join(SPLITS)})-\d+")


@dataclass(frozen=True)
class AppendResult:
    """The result of an append: what was added and left out, notes, and the card of the whole dataset."""

    folder: Path
    trajectories: int
    written_bytes: int
    card: Card
    left_out: tuple[QuarantineEntry, ...]
    caveats: tuple[str, ...]


def append(
    recipe: Recipe, start: Path, root: Path, resources: Resources, progress: ReportProgress
) -> AppendResult:
    """Adds the files at `start` that the dataset does not hold yet. A second run adds nothing.

    Raises ShardError if there is no finished dataset, MismatchError if its recipe or an input differs.
    """
    folder = root / recipe.name
    if not (folder / "card.json").is_file():
        raise ShardError(f"{folder}: is not a built dataset; run walrus-ingest build first")
    if not (folder / UNFINISHED).exists():
        # If nothing is new, nothing is written, not even a lock.
        card, _ = _agreeing(recipe, folder)
        if not _new_files(recipe, start, card):
            return AppendResult(folder, 0, 0, card, (), ())
    with full_disk_is_an_error(folder), lock(folder):
        # Finishes an append that was killed while it merged.
        complete(folder)
        return _append(recipe, start, folder, resources, progress)


def _append(
    recipe: Recipe, start: Path, folder: Path, resources: Resources, progress: ReportProgress
) -> AppendResult:
    """Plans the new files, builds their parts, merges all records. The caller holds the lock."""
    card, index = _agreeing(recipe, folder)
    old = _old_records(folder, card, index)
    onto = _onto(Dataset(folder), old)
    plan = plan_onto(recipe, _new_files(recipe, start, card), index.packaging, card.codec, onto)
    if plan.chunk != card.chunk:
        raise MismatchError(
            f"{folder}: has chunks {list(card.chunk)}, expected {list(plan.chunk)}; build it again"
        )

    if not plan.parts:
        return AppendResult(folder, 0, 0, card, plan.refused, plan.caveats)

    outline = _outline(plan, card, old)
    write_atomically(folder / UNFINISHED, dump_with_checksum(BuildOutline, outline))
    done = do_parts(plan, plan.parts, folder, resources, progress, keep_index=True)
    records = old | {part.name: record for part, record in zip(plan.parts, done.records, strict=True)}
    card, published = merge(outline, folder, [records[part.name] for part in outline.parts])
    return AppendResult(
        folder=folder,
        trajectories=sum(len(record.entries) for record in done.records),
        written_bytes=done.written_bytes + published,
        card=card,
        left_out=(*plan.refused, *done.quarantine),
        caveats=plan.caveats,
    )


def _agreeing(recipe: Recipe, folder: Path) -> tuple[Card, DatasetIndex]:
    """Card and index of a finished dataset that this recipe may add to; raises ShardError for any other."""
    card = read_card(folder)
    index = read_index(folder)
    if card is None or index is None:
        raise ShardError(f"{folder}: is not finished; run walrus-ingest build, or finish, first")
    if card.format != FORMAT:
        raise MismatchError(
            f"{folder}: has format {card.format}, new files would have format {FORMAT}; run walrus-ingest "
            "build with all files into another root"
        )

    if shard_digest(recipe) != shard_digest(load(Recipe, folder / "recipe.toml")):
        raise MismatchError(
            f"{folder}: was built by another recipe; name {folder / 'recipe.toml'} as DATASET"
        )

    return card, index


def _old_records(folder: Path, card: Card, index: DatasetIndex) -> dict[str, PartRecord]:
    """Reads the records of the parts that the index lists, by name, in the order of the index."""
    built = {(entry.split, entry.key) for entry in index.trajectories}
    stems = (path.stem for path in (folder / RECORDS).glob("*.json"))
    names = sorted(filter(PART.fullmatch, stems), key=_place)
    old: dict[str, PartRecord] = {}
    found: set[tuple[str, str]] = set()
    for name in names:
        path = record_path(folder, name)
        text = LocalFiles(folder).read(f"{RECORDS}/{path.name}")
        record = parse_with_checksum(PartRecord, text, str(path))
        holds = {(entry.split, entry.key) for entry in record.entries}
        if holds <= built and set(record.quarantine) <= set(card.quarantine):
            old[name] = record
            found |= holds

    if found != built:
        raise ShardError(
            f"{folder}: records of its parts are missing in {RECORDS}/, as in a converted copy; append to "
            "the dataset that was built, then convert again"
        )

    return old


def _split_of(part: str) -> Split:
    return next(split for split in SPLITS if part.startswith(f"{split}-"))


def _number_of(part: str) -> int:
    return int(part.rpartition("-")[2])


def _place(part: str) -> tuple[int, int]:
    """The place of a part in the index: by its split, then by its number."""
    return SPLITS.index(_split_of(part)), _number_of(part)


def _new_files(recipe: Recipe, start: Path, card: Card) -> tuple[InputFile, ...]:
    """The files that the dataset does not hold. A file is recognised by its content, not by its path."""
    known = {(item.bytes, item.digest) for item in card.inputs}
    paths = {item.path for item in card.inputs}
    new = tuple(file for file in find_inputs(recipe, start) if (file.bytes, file.digest) not in known)
    for file in new:
        if file.path in paths:
            raise MismatchError(
                f"{file.place}: differs from the file {file.path} that the dataset was built from; rename it "
                "if it is another file, or use walrus-ingest build if it has changed"
            )
    return new


def _onto(dataset: Dataset, old: Iterable[str]) -> ExistingDataset:
    """The existing dataset that new files must agree with; new parts are numbered after the `old` ones."""
    card, entries = dataset.card, dataset.index.trajectories
    parts = dict.fromkeys(SPLITS, 0)
    for name in old:
        split = _split_of(name)
        parts[split] = max(parts[split], _number_of(name) + 1)
    return ExistingDataset(
        schema=card.schema,
        parameters=sorted(dataset.document(entries[0]).trajectory.scalars),
        powers=card.powers,
        errors=_allowed(card),
        keys=frozenset(entry.key for entry in entries),
        parts=parts,
    )


def _allowed(card: Card) -> dict[str, KeptError]:
    return {name: KeptError(error.allowed) for name, error in card.errors.items()}


def _outline(plan: BuildPlan, card: Card, old: dict[str, PartRecord]) -> BuildOutline:
    """The outline of the whole dataset, as if all files had been planned together."""
    new = BuildOutline.of(plan)
    before = [_part_outline(name, record, plan.schema.frame_bytes) for name, record in old.items()]
    parts = sorted((*before, *new.parts), key=lambda part: _place(part.name))
    recorded: set[QuarantineEntry] = set()
    for record in old.values():
        recorded.update(record.quarantine)

    refused = tuple(item for item in card.quarantine if item not in recorded)
    return replace(
        new,
        inputs=(*card.inputs, *new.inputs),
        refused=(*refused, *(item for item in new.refused if item not in refused)),
        parts=tuple(parts),
        caveats=tuple(dict.fromkeys((*card.caveats, *new.caveats))),
    )


def _part_outline(name: str, record: PartRecord, frame_bytes: int) -> PartOutline:
    frames = sum(entry.frames for entry in record.entries)
    return PartOutline(name, _split_of(name), record.digest, frames * frame_bytes)
