"""Writes encoded trajectories, as zarr groups or as samples of a tar. A file appears when it is complete.

Both packagings hold the same encoded bytes, so converting one into the other copies them.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Protocol

import google_crc32c
import numpy as np

from shards import zarr_metadata
from shards.checksum import crc32c_combine
from shards.disk import TEMPORARY, create_temporary, remove_temporary, send_to_disk, settle, settle_all
from shards.errors import ShardError, WalrusError
from shards.index import Entry, FileRange, FileRecord, Packaging, Segment
from shards.json_text import dump
from shards.schema import Grid, Split
from shards.shard import CHECKSUM_BYTES
from shards.system_errors import cure_of
from shards.trajectory_document import TrajectoryDocument

Blocks = Iterable[bytes]
# After this many bytes the disk starts to write, while the next frames are encoded; otherwise the build would
# wait for all of them at the end (docs/decisions/0009-what-a-build-waits-for.md).
WRITEBACK_BYTES = 16 * 2**20


@dataclass(frozen=True)
class EncodedTrajectory:
    """A trajectory ready to be written; `segments` yields (frames, blocks of the shard) in order of time."""

    document: TrajectoryDocument
    segments: Iterable[tuple[int, Blocks]]
    boundary: bytes
    static: bytes | None


class PartWriter(Protocol):
    """Writes the trajectories of one part; nothing has its final name before it is complete."""

    def add(self, encoded: EncodedTrajectory) -> Entry: ...

    def close(self) -> tuple[FileRecord, ...]: ...

    def discard(self) -> None: ...


def part_writer(packaging: Packaging, dataset: Path, split: Split, part: str, grid: Grid) -> PartWriter:
    """A writer for one part, below the dataset's folder."""
    (dataset / split).mkdir(parents=True, exist_ok=True)
    if packaging == "zarr":
        return ZarrPart(dataset, split, grid)
    return TarPart(dataset, f"{split}/{part}.tar", grid)


@contextmanager
def full_disk_is_an_error(path: Path) -> Iterator[None]:
    """Turns errors of a disk into ShardError; other errors pass."""
    try:
        yield
    except OSError as error:
        cure = cure_of(error)
        if cure is None or isinstance(error, WalrusError):
            raise
        raise ShardError(f"{path}: cannot write: {cure}") from error


@dataclass(frozen=True)
class _WrittenBlocks:
    """Blocks that were appended to a file: their range, and the checksum of their chunks' checksums."""

    range: FileRange
    chunks_crc32c: int

    def segment(self, first: int, frames: int, *, checked_chunks: bool) -> Segment:
        """These blocks as the shard of so many frames."""
        return Segment(first, frames, self.range, self.chunks_crc32c if checked_chunks else None)


def _append(file: BinaryIO, path: str, blocks: Blocks) -> _WrittenBlocks:
    """Appends the blocks to the file with this path in the dataset.

    The blocks of a shard are its chunks and, as the last, its index.
    """
    begin, sent = file.tell(), 0
    length = crc = ends_crc = chunks_crc = 0
    for block in blocks:
        file.write(block)
        length += len(block)
        crc = google_crc32c.extend(crc, block)
        # One block behind, because the last block is no chunk.
        chunks_crc, ends_crc = ends_crc, google_crc32c.extend(ends_crc, block[-CHECKSUM_BYTES:])
        if length - sent >= WRITEBACK_BYTES:
            send_to_disk(file, begin + sent, length - sent)
            sent = length
    return _WrittenBlocks(FileRange(path, begin, length, crc), chunks_crc)


@dataclass
class ZarrPart:
    """A zarr v3 group per trajectory, at `<dataset>/<split>/<key>`."""

    dataset: Path
    split: Split
    grid: Grid
    records: list[FileRecord] = field(default_factory=list)

    def add(self, encoded: EncodedTrajectory) -> Entry:
        """Writes a group under a temporary name, and renames it when it is complete."""
        key = encoded.document.trajectory.key
        temporary = self.dataset / self.split / f"{TEMPORARY}{key}"
        shutil.rmtree(temporary, ignore_errors=True)

        try:
            with full_disk_is_an_error(temporary):
                # Fails if something else has this name, for example a link.
                temporary.mkdir()
                group = _Group(temporary, f"{self.split}/{key}")
                entry = _write_group(group, encoded, self.grid)
                final = self.dataset / self.split / key
                shutil.rmtree(final, ignore_errors=True)
                temporary.rename(final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

        self.records += group.records
        return entry

    def close(self) -> tuple[FileRecord, ...]:
        # Once for all files of the part: by now the disk has written most of them.
        with full_disk_is_an_error(self.dataset / self.split):
            settle_all(self.dataset / record.path for record in self.records)
            settle(self.dataset / self.split)
        return tuple(self.records)

    def discard(self) -> None:
        for path in {Path(record.path).parts[1] for record in self.records}:
            shutil.rmtree(self.dataset / self.split / path, ignore_errors=True)


@dataclass
class _Group:
    """The files of one zarr group: in a temporary folder, recorded under their final names."""

    folder: Path
    name: str
    records: list[FileRecord] = field(default_factory=list)

    def write(self, path: str, blocks: Blocks) -> FileRange:
        return self.write_shard(path, blocks).range

    def write_shard(self, path: str, blocks: Blocks) -> _WrittenBlocks:
        """Writes a file."""
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            written = _append(file, f"{self.name}/{path}", blocks)
        whole = written.range
        self.records.append(FileRecord(whole.path, whole.length, whole.crc32c))
        return written


def _write_group(group: _Group, encoded: EncodedTrajectory, grid: Grid) -> Entry:
    """Writes the chunks of every array, then the metadata of the arrays, `zarr.json` of the group last."""
    document = encoded.document
    space = "/0" * len(document.shape)
    segments, first = [], 0

    for number, (frames, blocks) in enumerate(encoded.segments):
        shard = group.write_shard(f"fields/c/{number}/0{space}", blocks)
        segments.append(shard.segment(first, frames, checked_chunks=document.checked_chunks))
        first += frames

    boundary = group.write(f"boundary/c{space}", [encoded.boundary])
    static = None if encoded.static is None else group.write(f"static/c/0{space}", [encoded.static])
    group.write("time/c/0", [np.array(document.trajectory.time, "<f8").tobytes()])

    for axis, values in zip(grid.axes, grid.coordinates, strict=True):
        group.write(f"{axis}/c/0", [np.array(values, "<f8").tobytes()])

    whole = replace(document, first=0, frames=document.trajectory.frames)
    for path, text in zarr_metadata.arrays(whole, grid).items():
        group.write(f"{path}/zarr.json", [text.encode()])

    described = group.write("zarr.json", [zarr_metadata.group(whole).encode()])
    trajectory = document.trajectory
    return Entry(
        trajectory.key, trajectory.split, trajectory.frames, tuple(segments), boundary, static, described
    )


@dataclass(frozen=True)
class _TarSample:
    """The members of a sample that an index needs."""

    segment: Segment
    boundary: FileRange
    static: FileRange | None
    document: FileRange


class TarPart:
    """Samples of one tar, one per segment.

    Members are `<key>.fields.shard`, `.boundary.shard`, `.static.shard`, `.grid.json` and `.json`.
    """

    def __init__(self, dataset: Path, path: str, grid: Grid) -> None:
        self.grid = dump(Grid, grid).encode()
        self.path, self.final = path, dataset / path
        remove_temporary(self.final)
        self.temporary, self.file = create_temporary(self.final)
        self.length = self.crc32c = 0

    def add(self, encoded: EncodedTrajectory) -> Entry:
        length, crc = self.length, self.crc32c
        try:
            with full_disk_is_an_error(self.temporary):
                return self._add(encoded)
        except ShardError:
            raise
        except BaseException:
            # A trajectory may fail a check after some of its frames: nothing of it stays in the tar.
            self.file.seek(length)
            self.file.truncate()
            self.length, self.crc32c = length, crc
            raise

    def _add(self, encoded: EncodedTrajectory) -> Entry:
        """Writes a sample per segment; the index points to mask, constants and document of the first one."""
        trajectory = encoded.document.trajectory
        samples: list[_TarSample] = []
        first = 0
        for number, (frames, blocks) in enumerate(encoded.segments):
            name = trajectory.key if number == 0 else f"{trajectory.key}_{number:03d}"
            document = replace(encoded.document, first=first, frames=frames)
            samples.append(self._write_sample(name, document, blocks, encoded))
            first += frames

        return Entry(
            trajectory.key,
            trajectory.split,
            trajectory.frames,
            tuple(sample.segment for sample in samples),
            samples[0].boundary,
            samples[0].static,
            samples[0].document,
        )

    def _write_sample(
        self, name: str, document: TrajectoryDocument, blocks: Blocks, encoded: EncodedTrajectory
    ) -> _TarSample:
        """Writes the members of a sample; `document` describes the frames in these blocks."""
        shard = self._write_shard(f"{name}.fields.shard", blocks)
        boundary = self._write(f"{name}.boundary.shard", [encoded.boundary])
        static = None
        if encoded.static is not None:
            static = self._write(f"{name}.static.shard", [encoded.static])
        self._write(f"{name}.grid.json", [self.grid])
        described = self._write(f"{name}.json", [dump(TrajectoryDocument, document).encode()])
        segment = shard.segment(document.first, document.frames, checked_chunks=document.checked_chunks)
        return _TarSample(segment, boundary, static, described)

    def _write(self, name: str, blocks: Blocks) -> FileRange:
        return self._write_shard(name, blocks).range

    def _write_shard(self, name: str, blocks: Blocks) -> _WrittenBlocks:
        """Writes a member: its bytes first, then the header before them, which holds their length."""
        start, room = self.length, len(_header(name, 0))
        self.file.seek(start + room)
        written = _append(self.file, self.path, blocks)
        length, crc = written.range.length, written.range.crc32c
        header, padding = _header(name, length), b"\0" * (-length % tarfile.BLOCKSIZE)
        self.file.write(padding)
        self.file.seek(start)
        self.file.write(header)
        self.length = self.file.seek(start + room + length + len(padding))
        before = google_crc32c.extend(self.crc32c, header)
        self.crc32c = google_crc32c.extend(crc32c_combine(before, crc, length), padding)
        return written

    def close(self) -> tuple[FileRecord, ...]:
        with full_disk_is_an_error(self.temporary):
            end = b"\0" * (2 * tarfile.BLOCKSIZE)
            self.file.write(end)
            self.file.close()
            settle(self.temporary)
            self.temporary.replace(self.final)
            settle(self.final.parent)
        return (FileRecord(self.path, self.length + len(end), google_crc32c.extend(self.crc32c, end)),)

    def discard(self) -> None:
        # On a full disk this fails again: the buffer still holds bytes.
        with suppress(OSError):
            self.file.close()
        self.temporary.unlink(missing_ok=True)


def _header(name: str, length: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = length, 0o644
    return info.tobuf(tarfile.GNU_FORMAT)
