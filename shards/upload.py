"""Copies a dataset to a URL (s3, gs, ... by fsspec). The copy can be interrupted and repeated.

The reasons are in docs/decisions/0163-upload.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from shards.cache import Cache
from shards.errors import ShardError
from shards.index import FileRecord, parse_index
from shards.publish import group_paths
from shards.read import Dataset
from shards.remote import RemoteFiles
from shards.urls import below
from shards.verify import file_crc32c

INDEX = "index.json"
# The index of an upload that has not ended: the files there came from the dataset that it lists.
STARTED = "index.json.upload"
# Most files are small, and a store takes nearly as long for a small one as for a large one.
AT_ONCE = 16

ReportProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class UploadResult:
    """Where the copy is, the files and bytes that were sent, and the files that were there before."""

    url: str
    files: int
    bytes: int
    found: int


def upload(dataset: Dataset, root: str, report: ReportProgress = lambda done, total: None) -> UploadResult:
    """Copies a dataset of this machine to `root`/NAME; the index comes last: without it there is no dataset.

    The same call continues after an interruption. `report` takes the bytes that were sent and those of all
    files to send. Raises ShardError if a file here is not what the index says, or if the server
    refuses one.
    """
    folder = dataset.folder
    there = RemoteFiles(below(root, dataset.card.name), Cache())
    records = [*dataset.index.files, *_documents(dataset)]
    index = (folder / INDEX).read_bytes()
    lengths = there.lengths()
    if INDEX in lengths and there.read(INDEX) == index:
        return UploadResult(there.where(), 0, 0, len(records))
    believed = _believed(records, index, lengths, there)
    there.remove(INDEX)
    # Before the upload is said to have started: a file of another dataset may be as long as ours.
    for record in records:
        if record.path in lengths and record not in believed:
            there.remove(record.path)
    there.send(folder / INDEX, STARTED)
    missing = [record for record in records if record not in believed]
    _send_all(folder, missing, there, report)
    there.send(folder / INDEX, INDEX)
    there.remove(STARTED)
    return UploadResult(there.where(), len(missing), sum(each.length for each in missing), len(believed))


def _documents(dataset: Dataset) -> list[FileRecord]:
    """The documents above the trajectories, which no index lists."""
    names = {"card.json", "recipe.toml"} | group_paths(dataset.index.packaging, dataset.index.trajectories)
    found = []
    for name in sorted(names):
        path = dataset.folder / name
        if path.is_file():
            found.append(FileRecord(name, path.stat().st_size, file_crc32c(path)))
    return found


def _believed(
    records: Sequence[FileRecord], index: bytes, lengths: dict[str, int], there: RemoteFiles
) -> set[FileRecord]:
    """The files that are there and need not be sent: an index there says that they are these files."""
    proven: set[FileRecord] = set()
    if STARTED in lengths:
        if there.read(STARTED) == index:
            proven = set(records)
    elif INDEX in lengths:
        proven = set(parse_index(there.read(INDEX), there.where(INDEX)).files)
    return {record for record in records if record in proven and lengths.get(record.path) == record.length}


def _send_all(
    folder: Path, records: Sequence[FileRecord], there: RemoteFiles, report: ReportProgress
) -> None:
    """Sends several files at the same time; the first error ends it."""
    total, sent = sum(record.length for record in records), 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(_send, folder, record, there) for record in records]
        try:
            for record, each in zip(records, running, strict=True):
                each.result()
                sent += record.length
                report(sent, total)
        finally:
            pool.shutdown(cancel_futures=True)


def _send(folder: Path, record: FileRecord, there: RemoteFiles) -> None:
    """Sends a file; raises ShardError if it is damaged here."""
    path = folder / record.path
    if path.stat().st_size != record.length or file_crc32c(path) != record.crc32c:
        raise ShardError(f"{path}: its checksum is not that of the index; run walrus-ingest verify")
    there.send(path, record.path)
