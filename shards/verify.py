"""Checks that a built dataset is whole: every byte against the index, every chunk through its decoder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import google_crc32c
import numpy as np

from shards.errors import ShardError
from shards.index import Entry, FileRange, FileRecord
from shards.read import Dataset
from shards.schema import SPLITS
from shards.zarr_metadata import parents

BLOCK = 8 * 2**20


def faults(dataset: Dataset) -> Iterator[str]:
    """One sentence for each thing that is wrong; none for a whole dataset."""
    broken = set()
    for record in dataset.index.files:
        for fault in _file_faults(dataset.folder, record):
            broken.add(record.path)
            yield fault
    yield from _group_faults(dataset)
    yield from _unknown_files(dataset)
    for entry in dataset.index.trajectories:
        if broken.isdisjoint(member.path for member in members(entry)):
            yield from _entry_faults(dataset, entry)


def members(entry: Entry) -> Iterator[FileRange]:
    """Every run of bytes that a trajectory consists of."""
    yield from (segment.fields for segment in entry.segments)
    yield from (member for member in (entry.boundary, entry.static, entry.document) if member is not None)


def file_crc32c(path: Path) -> int:
    """Checksum of a whole file, read in blocks."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            crc = google_crc32c.extend(crc, block)
    return crc


def _file_faults(folder: Path, record: FileRecord) -> Iterator[str]:
    path = folder / record.path
    if not path.is_file():
        yield f"{path}: missing; build again"
    elif path.stat().st_size != record.length:
        yield f"{path}: has {path.stat().st_size} bytes, the index says {record.length}; build again"
    elif file_crc32c(path) != record.crc32c:
        yield f"{path}: its checksum differs from the index, bytes have changed; delete it and build again"


def _group_faults(dataset: Dataset) -> Iterator[str]:
    """The groups of zarr above the trajectories; datasets of before have none."""
    for path, text in parents(dataset.card, SPLITS).items():
        file = dataset.folder / path
        if file.is_file() and file.read_bytes() != text.encode():
            yield f"{file}: differs from what the card says; delete it and build again"


def _unknown_files(dataset: Dataset) -> Iterator[str]:
    known = {record.path for record in dataset.index.files} | set(parents(dataset.card, SPLITS))
    for split in SPLITS:
        for path in sorted((dataset.folder / split).rglob("*")):
            if path.is_file() and path.relative_to(dataset.folder).as_posix() not in known:
                yield f"{path}: is not in the index; delete it"


def _entry_faults(dataset: Dataset, entry: Entry) -> Iterator[str]:
    """What is wrong with one trajectory: its bytes, its chunks, its document."""
    frame = np.empty((1, *dataset.card.schema.frame_shape), dataset.card.schema.dtype)
    try:
        for member in members(entry):
            if google_crc32c.value(bytes(dataset.bytes_of(member))) != member.crc32c:
                where = dataset.folder / member.path
                yield f"{where}: bytes at {member.offset} ({entry.key}) differ from the index; build again"
        for number in range(entry.frames):
            dataset.read_frames(entry, [number], frame)
        dataset.static(entry)
        dataset.boundary(entry)
        found = dataset.document(entry).trajectory
        if (found.key, found.split, found.frames) != (entry.key, entry.split, entry.frames):
            where = dataset.folder / entry.document.path
            yield f"{where}: describes {found.split}/{found.key}, not {entry.key}; build again"
    except ShardError as error:
        yield str(error)
