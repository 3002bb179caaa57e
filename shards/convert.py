"""Copies a dataset into the other packaging; the encoded bytes stay the same."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from shards.disk import TEMPORARY
from shards.errors import MismatchError, WalrusWarning
from shards.index import Entry, FileRecord, Packaging
from shards.publish import publish
from shards.read import Dataset
from shards.schema import SPLITS, Split
from shards.shard import MISSING, chunk_ranges
from shards.verify import members
from shards.write import EncodedTrajectory, full_disk_is_an_error, part_writer

TAR_BYTES = 2**30


def convert(dataset: Dataset, packaging: Packaging, root: Path) -> Path:
    """Copies a dataset to `root` in another packaging; the new folder appears complete or not at all.

    If this copy exists already, warns and writes nothing. Raises MismatchError if something else has its
    name.
    """
    target = root / dataset.card.name
    if target.exists():
        _require_copy(target, dataset, packaging)
        return target

    with full_disk_is_an_error(target), _temporary(target) as temporary:
        _copy(dataset, packaging, temporary)
        try:
            temporary.rename(target)
        except OSError:
            # Another process may have made this copy in the meantime.
            if not target.exists():
                raise
            _require_copy(target, dataset, packaging)

    return target


def _require_copy(target: Path, dataset: Dataset, packaging: Packaging) -> None:
    """Raises MismatchError unless the target is this copy, with no file cut or missing."""
    try:
        copy = Dataset(target)
        is_same = (
            copy.index.packaging == packaging
            and copy.card == dataset.card
            and _contents(copy) == _contents(dataset)
            and all((target / file.path).stat().st_size == file.length for file in copy.index.files)
        )
    except OSError:
        is_same = False

    if not is_same:
        raise MismatchError(
            f"{target}: exists already and is another dataset, or damaged; name another root, or remove it"
        )

    warnings.warn(f"{target}: holds this copy already, nothing is written", WalrusWarning, stacklevel=3)


def _contents(dataset: Dataset) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """Length and checksum of all arrays of each trajectory; they are the same in both packagings."""
    contents: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for entry in dataset.index.trajectories:
        arrays = [member for member in members(entry) if member != entry.document]
        contents[entry.split, entry.key] = [(member.length, member.crc32c) for member in arrays]
    return contents


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """Makes a locked folder next to the target, and removes those that killed processes left.

    The folder is removed at the end, unless it was renamed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for leftover in target.parent.glob(f"{TEMPORARY}{target.name}-*"):
        if leftover.is_dir() and not leftover.is_symlink():
            with _locked(leftover) as is_ours:
                if is_ours:
                    shutil.rmtree(leftover, ignore_errors=True)
    temporary = target.with_name(f"{TEMPORARY}{target.name}-{secrets.token_hex(6)}")
    try:
        temporary.mkdir()
        with _locked(temporary):
            yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Locks a folder; False if another process has locked it, or if the file system has no locks."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = True
    except OSError:
        is_ours = False
    try:
        yield is_ours
    finally:
        os.close(handle)


def _copy(dataset: Dataset, packaging: Packaging, folder: Path) -> None:
    """Copies every trajectory, then the recipe, then writes card and index."""
    files: list[FileRecord] = []
    entries: list[Entry] = []
    grid = dataset.card.schema.grid
    for split in SPLITS:
        for number, group in enumerate(_groups(dataset, split)):
            writer = part_writer(packaging, folder, split, f"{split}-{number:05d}", grid)
            entries += [writer.add(_encoded(dataset, entry)) for entry in group]
            files += writer.close()
    if dataset.files.holds("recipe.toml"):
        (folder / "recipe.toml").write_bytes(dataset.files.read("recipe.toml"))
    publish(folder, dataset.card, packaging, tuple(files), tuple(entries))


def _groups(dataset: Dataset, split: Split) -> Iterator[list[Entry]]:
    """Groups trajectories in order; a group fills a tar."""
    group: list[Entry] = []
    size = 0
    for entry in dataset.entries(split):
        length = sum(member.length for member in members(entry))
        if group and size + length > TAR_BYTES:
            yield group
            group, size = [], 0
        group.append(entry)
        size += length
    if group:
        yield group


def _encoded(dataset: Dataset, entry: Entry) -> EncodedTrajectory:
    """The bytes of a trajectory, each checked against the index before they are copied."""
    segments = [
        (segment.frames, _blocks(dataset.checked_bytes_of(segment.fields), dataset.slots(entry)))
        for segment in entry.segments
    ]
    return EncodedTrajectory(
        replace(dataset.document(entry), first=0, frames=entry.frames),
        segments,
        bytes(dataset.checked_bytes_of(entry.boundary)),
        None if entry.static is None else bytes(dataset.checked_bytes_of(entry.static)),
    )


def _blocks(shard: memoryview, slots: int) -> Iterator[bytes]:
    """The chunks of a shard in the order of their offsets, then its index."""
    ranges = chunk_ranges(shard, slots)
    end = 0
    for offset, length in ranges[ranges[:, 0] != MISSING].tolist():
        yield bytes(shard[end : offset + length])
        end = offset + length
    yield bytes(shard[end:])
