"""Copies a dataset into the other packaging: the encoded bytes are copied, never encoded again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from shards.disk import TEMPORARY
from shards.errors import MismatchError
from shards.index import Entry, FileRecord, Packaging
from shards.publish import publish
from shards.read import Dataset
from shards.schema import SPLITS, Split
from shards.shard import MISSING, chunk_ranges
from shards.verify import members
from shards.write import Encoded, full_disk_is_an_error, part_writer

TAR_BYTES = 2**30


def convert(dataset: Dataset, packaging: Packaging, root: Path) -> Path:
    """Copies a dataset to `root` in another packaging; the new folder appears whole or not at all."""
    target = root / dataset.card.name
    if target.exists():
        raise MismatchError(f"{target}: exists already; name another root, or remove it")
    temporary = root / f"{TEMPORARY}{dataset.card.name}"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with full_disk_is_an_error(target):
            root.mkdir(parents=True, exist_ok=True)
            temporary.mkdir()
            _copy(dataset, packaging, temporary)
            temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return target


def _copy(dataset: Dataset, packaging: Packaging, folder: Path) -> None:
    """Every trajectory, the recipe, and last the card and the index."""
    files: list[FileRecord] = []
    entries: list[Entry] = []
    grid = dataset.card.schema.grid
    for split in SPLITS:
        for number, group in enumerate(_groups(dataset, split)):
            writer = part_writer(packaging, folder, split, f"{split}-{number:05d}", grid)
            entries += [writer.add(_encoded(dataset, entry)) for entry in group]
            files += writer.close()
    recipe = dataset.folder / "recipe.toml"
    if recipe.is_file():
        shutil.copyfile(recipe, folder / recipe.name)
    publish(folder, dataset.card, packaging, tuple(files), tuple(entries))


def _groups(dataset: Dataset, split: Split) -> Iterator[list[Entry]]:
    """Trajectories in order, as many as fill a tar."""
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


def _encoded(dataset: Dataset, entry: Entry) -> Encoded:
    """The bytes of a trajectory, each checked against the index before they are copied."""
    segments = [
        (segment.frames, _blocks(dataset.checked_bytes_of(segment.fields), dataset.slots(entry)))
        for segment in entry.segments
    ]
    return Encoded(
        replace(dataset.document(entry), first=0, frames=entry.frames),
        segments,
        bytes(dataset.checked_bytes_of(entry.boundary)),
        None if entry.static is None else bytes(dataset.checked_bytes_of(entry.static)),
    )


def _blocks(shard: memoryview, slots: int) -> Iterator[bytes]:
    """The chunks of a shard in the order of their place, and its index."""
    ranges = chunk_ranges(shard, slots)
    end = 0
    for offset, length in ranges[ranges[:, 0] != MISSING].tolist():
        yield bytes(shard[end : offset + length])
        end = offset + length
    yield bytes(shard[end:])
