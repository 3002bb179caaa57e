"""Merges the records of all parts into card and index; needs no source file."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path

from ingest.building.digests import recipe_digest
from ingest.building.lock import lock
from ingest.building.overwrite import read_card, read_index
from ingest.building.part_record import RECORDS, PartRecord, read_record
from ingest.building.shares import UNFINISHED, BuildOutline, read_outline
from ingest.recipe import Recipe
from shards.card import Card, ChannelMoments, KeptError, count_by_split
from shards.counted import counted
from shards.disk import TEMPORARY, write_atomically
from shards.errors import ShardError, SourceError
from shards.index import Entry, FileRecord
from shards.moments import merge_all
from shards.program.settings import dump_toml
from shards.publish import group_paths, publish, published
from shards.schema import SPLITS
from shards.write import full_disk_is_an_error

# The most missing parts that one message names.
NAMED = 8


def finish(folder: Path) -> tuple[Card, int]:
    """Merges the parts that several jobs wrote; returns the card, and the bytes written (0 if merged before).

    Raises ShardError if a part is missing, and names its job, or if a job is still writing.
    """
    _require_begun(folder)
    if read_outline(folder) is None:
        return _merged_before(folder), 0
    with full_disk_is_an_error(folder), lock(folder):
        outline = read_outline(folder)
        if outline is None:
            return _merged_before(folder), 0
        return merge(outline, folder, _records(outline, folder))


def _merged_before(folder: Path) -> Card:
    """The card of a dataset that is already merged; raises ShardError if there is none."""
    card = read_card(folder)
    if card is None or read_index(folder) is None:
        raise ShardError(f"{folder}: has no {UNFINISHED} and no finished dataset; run build again")
    return card


def merged(outline: BuildOutline, folder: Path, records: Sequence[PartRecord]) -> Card | None:
    """The card if all of this is already merged; None if `merge` would write something."""
    recipe, entries, files = _recipe_text(outline), _entries(records), _files(records)
    begun = (folder / UNFINISHED).exists()
    if begun or not entries or not _holds(folder / "recipe.toml", recipe):
        return None
    card = _card(outline, records, entries)
    texts = published(folder, card, outline.packaging, files, entries)
    return card if all(_holds(folder / name, text) for name, text in texts.items()) else None


def _recipe_text(outline: BuildOutline) -> bytes:
    return dump_toml(asdict(outline.recipe)).encode()


def _entries(records: Sequence[PartRecord]) -> tuple[Entry, ...]:
    return tuple(chain.from_iterable(record.entries for record in records))


def _files(records: Sequence[PartRecord]) -> tuple[FileRecord, ...]:
    return tuple(chain.from_iterable(record.files for record in records))


def _holds(path: Path, text: bytes) -> bool:
    return path.is_file() and path.read_bytes() == text


def complete(folder: Path) -> None:
    """Merges a dataset whose parts are all done. The caller holds the lock."""
    outline = read_outline(folder)
    if outline is None:
        return
    records = [record for part in outline.parts if (record := read_record(folder, part)) is not None]
    if len(records) == len(outline.parts):
        merge(outline, folder, records)


def _require_begun(folder: Path) -> None:
    begun = any((folder / name).exists() for name in (RECORDS, UNFINISHED, "index.json"))
    if not begun:
        raise ShardError(f"{folder}: no build has begun here; run walrus-ingest build --part first")


def _records(outline: BuildOutline, folder: Path) -> list[PartRecord]:
    """The record of each part; raises ShardError if parts are missing, and names the jobs that build them."""
    found = [read_record(folder, part) for part in outline.parts]
    missing = [number for number, record in enumerate(found) if record is None]
    if missing:
        jobs = outline.owners()
        named = [f"{outline.parts[n].name} (--part {jobs[n]}/{outline.jobs})" for n in missing[:NAMED]]
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise ShardError(
            f"{folder}: {len(missing)} of {counted(len(found), 'part')} missing: {', '.join(named)}{more}; "
            "run walrus-ingest build with these options, then finish again"
        )
    return [record for record in found if record is not None]


def merge(outline: BuildOutline, folder: Path, records: Sequence[PartRecord]) -> tuple[Card, int]:
    """Writes card and index from the records of all parts, in order; returns the card and the bytes written.

    The index is written last. Raises SourceError if no trajectory is left.
    """
    entries, files, recipe = _entries(records), _files(records), _recipe_text(outline)
    if not entries:
        reason = next(chain.from_iterable(record.quarantine for record in records))
        shutil.rmtree(folder)
        raise SourceError(f"{reason.path}, row {reason.row}: {reason.reason}; no trajectory is left to build")

    kept = {file.path for file in files} | group_paths(outline.packaging, entries)
    _remove_strays(outline, folder, kept)
    written = 0
    if not _holds(folder / "recipe.toml", recipe):
        write_atomically(folder / "recipe.toml", recipe)
        written += len(recipe)

    card = _card(outline, records, entries)
    written += publish(folder, card, outline.packaging, files, entries)
    (folder / UNFINISHED).unlink(missing_ok=True)
    return card, written


def _remove_strays(outline: BuildOutline, folder: Path, known: set[str]) -> None:
    """Removes files that a killed build left, and files and records of parts of an earlier plan."""
    names = {part.name for part in outline.parts}
    for left in (*folder.glob(f"{TEMPORARY}*"), *(folder / RECORDS).glob(f"{TEMPORARY}*")):
        left.unlink()
    for path in (folder / RECORDS).glob("*.json"):
        if path.stem not in names:
            path.unlink()
    for split in SPLITS:
        for path in sorted((folder / split).rglob("*"), reverse=True):
            if path.is_file() and path.relative_to(folder).as_posix() not in known:
                path.unlink()
            elif path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
                path.rmdir()


def _card(outline: BuildOutline, records: Sequence[PartRecord], entries: tuple[Entry, ...]) -> Card:
    """Makes the card from these records. Moments are those of the train split, if it has trajectories."""
    schema, recipe = outline.schema, outline.recipe
    train = [record for record in records if record.entries and record.entries[0].split == "train"] or records
    channels = (*schema.channels, *schema.static_channels)
    moments = (*merge_all([r.moments for r in train]), *merge_all([r.static_moments for r in train]))
    quarantine = chain(outline.refused, *(record.quarantine for record in records))
    return Card(
        name=recipe.name,
        title=recipe.title,
        source=recipe.source,
        schema=schema,
        powers=outline.powers,
        codec=outline.codec,
        chunk=outline.chunk,
        moments={channel: ChannelMoments.of(m) for channel, m in zip(channels, moments, strict=True)},
        counts=count_by_split((entry.split, entry.frames) for entry in entries),
        licence=recipe.licence,
        citation=recipe.citation,
        home=recipe.home,
        note=recipe.note,
        correction=recipe.correction.reason if recipe.correction else "",
        differences=_differences(outline, entries),
        repeated_frames=sum(record.repeated_frames for record in records),
        # A trajectory that is held out for two splits may appear twice.
        quarantine=tuple(dict.fromkeys(quarantine)),
        inputs=outline.inputs,
        recipe_digest=recipe_digest(recipe),
        split=(*recipe.split_words, *_twice(recipe, entries)),
        errors=_reached(outline, records),
        caveats=_caveats(outline, records),
    )


def _caveats(outline: BuildOutline, records: Sequence[PartRecord]) -> tuple[str, ...]:
    """Notes on the inputs, and the first of the values that are far from all others of their frame."""
    outliers = list(chain.from_iterable(record.outliers for record in records))
    notes = [*outline.caveats, *outliers[:NAMED]]
    if len(outliers) > NAMED:
        notes.append(f"{counted(len(outliers) - NAMED, 'more trajectory')} with such values")
    return tuple(dict.fromkeys(notes))


def _twice(recipe: Recipe, entries: tuple[Entry, ...]) -> list[str]:
    """A note on trajectories that are held out for two splits: they are stored in both under one key."""
    if not recipe.held_out:
        return []
    count = sum(times > 1 for times in Counter(entry.key for entry in entries).values())
    if count == 0:
        return []
    are = "is" if count == 1 else "are"
    return [f"{counted(count, 'trajectory')} {are} both in valid and in test: stored and counted twice"]


def _reached(outline: BuildOutline, records: Sequence[PartRecord]) -> dict[str, KeptError]:
    """The bound on the error of each field, and the largest error of any of its components."""
    reached = dict.fromkeys(outline.schema.channels, 0.0)
    for record in records:
        # Empty if all trajectories of the part were left out.
        for channel, error in zip(reached, record.errors, strict=bool(record.errors)):
            reached[channel] = max(reached[channel], error)
    errors = {}
    for field in outline.schema.fields:
        if field.name in outline.errors:
            most = max(reached[channel] for channel in field.components(outline.schema.grid.axes))
            errors[field.name] = replace(outline.errors[field.name], reached=most)
    return errors


def _differences(outline: BuildOutline, entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """Differences between the files and the published release. They are reported and are no error."""
    frames = sorted({entry.frames for entry in entries})
    expected = outline.recipe.expected
    found = [
        ("grid", expected.grid or None, outline.schema.grid.shape),
        ("frames", expected.frames, frames[0] if len(frames) == 1 else frames),
        ("trajectories", expected.trajectories, len(entries)),
    ]
    return tuple(
        f"{word} {b}, the published release has {a}" for word, a, b in found if a is not None and a != b
    )
