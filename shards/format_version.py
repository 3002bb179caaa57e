"""Reads the format version of a document, and refuses one that is newer than ours."""

from __future__ import annotations

from typing import Literal

from shards.errors import ShardError
from shards.json_text import parse
from shards.schema import excerpt

# Since version 2 every chunk and the index end in their crc32c (docs/decisions/0040-checked-chunks.md).
FORMAT: Literal[2] = 2
Format = Literal[1, 2]


@excerpt
class _Versioned:
    format: int


def format_of(text: str | bytes, where: str) -> int:
    """The version of a document; raises ShardError if there is none, or if it is newer than ours.

    >>> format_of('{"format": 1, "other": []}', "card.json")
    1
    """
    version = parse(_Versioned, text, where).format
    if version > FORMAT:
        raise ShardError(
            f"{where}: has format {version}, written by a newer walrus-pde; this version reads up to "
            f"{FORMAT}: upgrade walrus-pde"
        )
    return version
