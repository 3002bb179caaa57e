"""Writes the card, then the index: the last step of every build. Without an index there is no dataset."""

from __future__ import annotations

from pathlib import Path

from shards import zarr_metadata
from shards.card import Card
from shards.checksum import crc32c_of
from shards.disk import remove_temporary, write_atomically
from shards.index import DatasetIndex, Entry, FileRecord, Packaging, index_text
from shards.json_text import dump
from shards.schema import SPLITS

REPORT = "report.html"


def publish(
    folder: Path, card: Card, packaging: Packaging, files: tuple[FileRecord, ...], entries: tuple[Entry, ...]
) -> int:
    """Writes the documents above the trajectories if they changed; returns the number of bytes written.

    These are card.json, index.json and, for `zarr`, the groups of the dataset and of each split. An old
    report of the dataset is removed first.
    """
    texts = {folder / name: text for name, text in published(folder, card, packaging, files, entries).items()}
    new = {path: text for path, text in texts.items() if not path.is_file() or path.read_bytes() != text}
    if new:
        (folder / REPORT).unlink(missing_ok=True)
    for path, text in new.items():
        remove_temporary(path)
        write_atomically(path, text)
    return sum(map(len, new.values()))


def group_paths(packaging: Packaging, entries: tuple[Entry, ...]) -> set[str]:
    """The paths of the zarr groups above the trajectories; the index does not list them."""
    if packaging != "zarr":
        return set()
    return {zarr_metadata.GROUP} | {f"{entry.split}/{zarr_metadata.GROUP}" for entry in entries}


def published(
    folder: Path, card: Card, packaging: Packaging, files: tuple[FileRecord, ...], entries: tuple[Entry, ...]
) -> dict[str, bytes]:
    """The content of each document above the trajectories, by its path; the index comes last.

    The index holds the checksum of the recipe in the folder.
    """
    card_text = dump(Card, card).encode()
    recipe = folder / "recipe.toml"
    index = DatasetIndex(
        dataset=card.name,
        packaging=packaging,
        card_crc32c=crc32c_of(card_text),
        files=files,
        trajectories=entries,
        recipe_crc32c=crc32c_of(recipe.read_bytes()) if recipe.is_file() else None,
        format=card.format,
    )
    texts = {"card.json": card_text, "index.json": index_text(index)}
    groups = zarr_metadata.parents(card, SPLITS)
    # They come before the index, which is written last.
    return {path: groups[path].encode() for path in group_paths(packaging, entries)} | texts
