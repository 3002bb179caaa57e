"""Writes the card, then the index: the last step of every build. Without an index there is no dataset."""

from __future__ import annotations

from pathlib import Path

import google_crc32c

from shards import zarr_metadata
from shards.card import Card
from shards.disk import write_atomically
from shards.index import DatasetIndex, Entry, FileRecord, Packaging
from shards.json_text import dump
from shards.schema import SPLITS

REPORT = "report.html"


def publish(
    folder: Path, card: Card, packaging: Packaging, files: tuple[FileRecord, ...], entries: tuple[Entry, ...]
) -> int:
    """Writes what lies above the trajectories where it changed; returns the number of bytes written.

    That is card.json, index.json and, of `zarr`, the groups of the dataset and of each split.
    A report on what the dataset was before is removed first.
    """
    card_text = dump(Card, card).encode()
    index = DatasetIndex(card.name, packaging, google_crc32c.value(card_text), files, entries)
    texts = {folder / "card.json": card_text, folder / "index.json": dump(DatasetIndex, index).encode()}
    groups = zarr_metadata.parents(card, SPLITS)
    # They come before the index, which is written last.
    texts = {folder / path: groups[path].encode() for path in group_paths(packaging, entries)} | texts
    new = {path: text for path, text in texts.items() if not path.is_file() or path.read_bytes() != text}
    if new:
        (folder / REPORT).unlink(missing_ok=True)
    for path, text in new.items():
        write_atomically(path, text)
    return sum(map(len, new.values()))


def group_paths(packaging: Packaging, entries: tuple[Entry, ...]) -> set[str]:
    """The documents of zarr's groups above the trajectories, which no index lists."""
    if packaging != "zarr":
        return set()
    return {zarr_metadata.GROUP} | {f"{entry.split}/{zarr_metadata.GROUP}" for entry in entries}
