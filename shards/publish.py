"""The last act of every build: the card, then the index. Without an index there is no dataset."""

from __future__ import annotations

from pathlib import Path

import google_crc32c

from shards.card import Card
from shards.document import dump, write_atomically
from shards.index import Entry, FileRecord, Index, Packaging


def publish(
    folder: Path, card: Card, packaging: Packaging, files: tuple[FileRecord, ...], entries: tuple[Entry, ...]
) -> int:
    """Writes card.json and index.json where they differ from what lies there; the number of bytes written."""
    card_text = dump(Card, card).encode()
    index = Index(card.name, packaging, google_crc32c.value(card_text), files, entries)
    written = 0
    for name, text in (("card.json", card_text), ("index.json", dump(Index, index).encode())):
        path = folder / name
        if not path.is_file() or path.read_bytes() != text:
            write_atomically(path, text)
            written += len(text)
    return written
