"""Checks a built dataset: every byte against the index, every chunk through its decoder.

Also checks that card, index, records of the parts and documents of the trajectories agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import numpy as np

from shards.card import Card, Count
from shards.checksum import agrees_with_comment, crc32c_of
from shards.disk import open_regular
from shards.errors import ShardError
from shards.files import LocalFiles
from shards.index import Entry, FileRange, FileRecord
from shards.json_text import parse_with_checksum
from shards.publish import REPORT
from shards.read import Dataset
from shards.schema import SPLITS
from shards.trajectory_document import TrajectoryDocument
from shards.zarr_metadata import parents

BLOCK = 8 * 2**20
PARTS = "parts"


def faults(dataset: Dataset) -> Iterator[str]:
    """Yields one sentence for each fault of a dataset.

    Behind a URL, files that the index does not list are not found.
    """
    broken = set()
    for record in dataset.index.files:
        for fault in _file_faults(dataset, record):
            broken.add(record.path)
            yield fault

    yield from _group_faults(dataset)
    yield from _document_faults(dataset)
    if isinstance(dataset.files, LocalFiles):
        yield from _unknown_files(dataset)
        if dataset.index.format >= 2:
            yield from _record_faults(dataset)

    yield from _count_faults(dataset)
    for entry in dataset.index.trajectories:
        if broken.isdisjoint(member.path for member in members(entry)):
            yield from _entry_faults(dataset, entry)


def members(entry: Entry) -> Iterator[FileRange]:
    """All byte ranges of a trajectory: its shards, its mask, its constants, its document."""
    yield from (segment.fields for segment in entry.segments)
    yield from (member for member in (entry.boundary, entry.static, entry.document) if member is not None)


def file_crc32c(path: Path) -> int:
    """The crc32c of a whole file, read in blocks."""
    crc = 0
    with open_regular(path) as file:
        while block := file.read(BLOCK):
            crc = google_crc32c.extend(crc, block)
    return crc


def _file_faults(dataset: Dataset, record: FileRecord) -> Iterator[str]:
    """The fault of a file of the index, if it is absent, cut, or has other bytes."""
    if not isinstance(dataset.files, LocalFiles):
        # Opening fetches the file and compares it with the index.
        try:
            dataset.files.open(record).close()
        except ShardError as error:
            yield str(error)
        return

    path = dataset.folder / record.path
    if not path.is_file():
        yield f"{path}: missing; build again"
    elif path.stat().st_size != record.length:
        yield f"{path}: has {path.stat().st_size} bytes, the index says {record.length}; build again"
    elif file_crc32c(path) != record.crc32c:
        yield f"{path}: its checksum differs from the index, bytes have changed; delete it and build again"


def _group_faults(dataset: Dataset) -> Iterator[str]:
    """Faults of the zarr groups above the trajectories; datasets of early versions have none."""
    files = dataset.files
    for path, text in parents(dataset.card, SPLITS).items():
        if files.holds(path) and files.read(path) != text.encode():
            yield f"{files.where(path)}: differs from what the card says; delete it and build again"


def _unknown_files(dataset: Dataset) -> Iterator[str]:
    known = {record.path for record in dataset.index.files} | set(parents(dataset.card, SPLITS))
    for split in SPLITS:
        for path in sorted((dataset.folder / split).rglob("*")):
            if path.is_file() and path.relative_to(dataset.folder).as_posix() not in known:
                yield f"{path}: is not in the index; delete it"


def _document_faults(dataset: Dataset) -> Iterator[str]:
    """Faults of the recipe and the report, which are next to card and index."""
    files, expected = dataset.files, dataset.index.recipe_crc32c
    if expected is not None:
        where = files.where("recipe.toml")
        if not files.holds("recipe.toml"):
            yield f"{where}: missing; build again"
        elif crc32c_of(files.read("recipe.toml")) != expected:
            yield f"{where}: its checksum differs from the index, bytes have changed; build again"
    if files.holds(REPORT) and not agrees_with_comment(files.read(REPORT)):
        where = files.where(REPORT)
        yield f"{where}: its checksum does not match, bytes have changed; run walrus-ingest report again"


@dataclass(frozen=True)
class _RecordedFiles:
    """The files that a record of a part lists; only builds need the rest of the record."""

    files: tuple[FileRecord, ...]


def _record_faults(dataset: Dataset) -> Iterator[str]:
    """Faults of the records of parts: one has changed, or they list other files than the index."""
    paths = sorted((dataset.folder / PARTS).glob("*.json"))
    recorded: set[tuple[str, int, int]] = set()
    for path in paths:
        try:
            text = dataset.files.read(f"{PARTS}/{path.name}")
            record = parse_with_checksum(_RecordedFiles, text, str(path))
        except ShardError as error:
            yield str(error)
            return
        recorded.update((file.path, file.length, file.crc32c) for file in record.files)
    indexed = {(file.path, file.length, file.crc32c) for file in dataset.index.files}
    if paths and recorded != indexed:
        yield f"{dataset.folder / PARTS}: the records hold other files than index.json; build again"


def _count_faults(dataset: Dataset) -> Iterator[str]:
    """Splits for which card and index give different numbers of trajectories or frames."""
    for split in SPLITS:
        entries = dataset.entries(split)
        found = Count(len(entries), sum(entry.frames for entry in entries))
        said = dataset.card.counts.get(split, Count())
        if found != said:
            where = dataset.files.where("card.json")
            yield (
                f"{where}: counts {said.trajectories} trajectories and {said.frames} "
                f"frames for {split}, index.json has {found.trajectories} and {found.frames}; build again"
            )


def _entry_faults(dataset: Dataset, entry: Entry) -> Iterator[str]:
    """Faults of one trajectory: of its bytes, its chunks, its document."""
    frame = np.empty((1, *dataset.card.schema.frame_shape), dataset.card.schema.dtype)
    try:
        for member in members(entry):
            if crc32c_of(dataset.bytes_of(member)) != member.crc32c:
                where = dataset.files.where(member.path)
                yield f"{where}: bytes at {member.offset} ({entry.key}) differ from the index; build again"
        for number in range(entry.frames):
            dataset.read_frames(entry, [number], frame)
        dataset.static(entry)
        dataset.boundary(entry)
        document = dataset.document(entry)
        where = dataset.files.where(entry.document.path)
        found = document.trajectory
        if (found.key, found.split, found.frames) != (entry.key, entry.split, entry.frames):
            yield f"{where}: describes {found.split}/{found.key}, not {entry.key}; build again"
        for name, (said, expected) in _stated_twice(dataset.card, document).items():
            if said != expected:
                yield f"{where}: {name} is {said}, card.json says {expected}; build again"
    except ShardError as error:
        yield str(error)


def _stated_twice(card: Card, document: TrajectoryDocument) -> dict[str, tuple[object, object]]:
    """Name to (value in the document, value in the card) of everything that both state."""
    schema = card.schema
    scale = tuple(2.0**power for power in schema.per_channel(card.powers))
    static_scale = tuple(2.0**power for power in schema.per_channel(card.powers, constant=True))
    return {
        "dataset": (document.dataset, card.name),
        "format": (document.format, card.format),
        "axes": (document.axes, schema.grid.axes),
        "shape": (document.shape, schema.grid.shape),
        "boundaries": (document.boundaries, schema.boundaries),
        "channels": (document.channels, schema.channels),
        "scale": (document.scale, scale),
        "static_channels": (document.static_channels, schema.static_channels),
        "static_scale": (document.static_scale, static_scale),
        "dtype": (document.dtype, schema.dtype),
        "codec": (document.codec, card.codec),
        "chunk": (document.chunk, card.chunk),
    }
