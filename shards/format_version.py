"""Checks the format version of a document: one that is newer than ours is refused."""

from __future__ import annotations

from typing import Literal

from shards.errors import ShardError
from shards.json_text import parse
from shards.schema import excerpt

# From 2 on every chunk ends in its crc32c, and the index ends in its own
# (docs/decisions/0040-checked-chunks.md).
FORMAT: Literal[2] = 2
Format = Literal[1, 2]


@excerpt
class _Versioned:
    format: int


def format_of(text: str | bytes, where: str) -> int:
    """The version; raises ShardError where there is none, or one that only a newer version of us knows.

    >>> format_of('{"format": 1, "other": []}', "card.json")
    1
    """
    version = parse(_Versioned, text, where).format
    if version > FORMAT:
        raise ShardError(
            f"{where}: is of format {version}, built by a newer walrus-pde; this one reads up to {FORMAT}: "
            "upgrade it"
        )
    return version
