"""JSON documents that people can read: keys in a stable order, lists of numbers on one line, a checksum.

The reasons for checksums of log lines are in docs/decisions/0123-checksums-of-lines-and-scores.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from shards.checksum import crc32c_of
from shards.errors import ShardError

T = TypeVar("T")
# What comes before and after the checksum. Only a top-level key is indented by one blank, so no nested key
# looks like it.
CHECKSUM = b',\n "crc32c": '
END = "\n}\n"
LINE_CHECKSUM = b', "crc32c": '


def to_text(value: Any) -> str:
    """JSON with one line per key, and lists of plain values on one line.

    >>> print(to_text({"shape": [64, 48], "fields": {"u": 1}}), end="")
    {
     "shape": [64, 48],
     "fields": {
      "u": 1
     }
    }
    """
    return "".join(_pieces(value, 0)) + "\n"


def _pieces(value: Any, depth: int) -> Iterator[str]:
    """The text of a value at this depth; a list takes several lines only if it holds lists or objects."""
    inner, outer = " " * (depth + 1), " " * depth
    if isinstance(value, dict) and value:
        yield "{\n"
        for number, (key, entry) in enumerate(value.items()):
            yield (",\n" if number else "") + f"{inner}{json.dumps(key)}: "
            yield from _pieces(entry, depth + 1)
        yield f"\n{outer}}}"
    elif isinstance(value, list) and any(isinstance(entry, dict | list) for entry in value):
        yield "[\n"
        for number, entry in enumerate(value):
            yield (",\n" if number else "") + inner
            yield from [json.dumps(entry)] if _flat(entry) else _pieces(entry, depth + 1)
        yield f"\n{outer}]"
    else:
        yield json.dumps(value)


def _flat(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    return not isinstance(value, list) or not any(isinstance(entry, dict | list) for entry in value)


def dump(cls: type[T], value: T) -> str:
    """The text of a dataclass."""
    return to_text(TypeAdapter(cls).dump_python(value, mode="json"))


def dump_with_checksum(cls: type[T], value: T) -> bytes:
    """The text of a dataclass with its checksum."""
    return text_with_checksum(dump(cls, value))


def text_with_checksum(text: str) -> bytes:
    """A document of `to_text` with a last key `crc32c`, the checksum of everything before it.

    >>> print(text_with_checksum(to_text({"format": 2})).decode(), end="")
    {
     "format": 2,
     "crc32c": 3486176479
    }
    """
    content = text.removesuffix(END).encode()
    return content + CHECKSUM + f"{crc32c_of(content)}{END}".encode()


def line_with_checksum(document: dict[str, Any]) -> bytes:
    """A document with at least one key as a line of a log; its last key is the checksum of the rest.

    >>> line_with_checksum({"step": 5})
    b'{"step": 5, "crc32c": 3810718452}\\n'
    """
    content = json.dumps(document).removesuffix("}").encode()
    return content + LINE_CHECKSUM + f"{crc32c_of(content)}}}\n".encode()


def checked_line(line: bytes) -> bytes | None:
    """A line without its checksum, or None if a byte has changed; a line without a checksum is accepted.

    >>> checked_line(b'{"step": 5, "crc32c": 3810718452}'), checked_line(b'{"step": 4, "crc32c": 3810718452}')
    (b'{"step": 5}', None)
    """
    content, found, rest = line.rpartition(LINE_CHECKSUM)
    if not found:
        return line
    return content + b"}" if rest == f"{crc32c_of(content)}}}".encode() else None


def parse_with_checksum(cls: type[T], text: bytes, where: str) -> T:
    """The dataclass in this text; raises ShardError if a byte has changed or the checksum is missing."""
    content = checked_content(text, where)
    if content is None:
        raise ShardError(f"{where}: its checksum is missing; delete it and build again")
    return parse(cls, content, where)


def parse_proven(cls: type[T], text: bytes, where: str, cure: str) -> T:
    """The dataclass in this text; raises ShardError if a byte has changed; `cure` says what to do then.

    Earlier versions wrote no checksum: a text without one is accepted.
    """
    return parse(cls, checked_content(text, where, cure) or text, where)


def checked_content(text: bytes, where: str, cure: str = "delete it and build again") -> bytes | None:
    """The document without its checksum, None if it has none; raises ShardError if a byte has changed."""
    content, found, rest = text.rpartition(CHECKSUM)
    if not found:
        return None
    if rest != f"{crc32c_of(content)}{END}".encode():
        raise ShardError(f"{where}: its checksum does not match, bytes have changed; {cure}")
    return content + END.encode()


def parse(cls: type[T], text: str | bytes, where: str) -> T:
    """The dataclass in this text; raises ShardError if the text does not describe one."""
    try:
        return TypeAdapter(cls).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{part}." for part in first["loc"]).removesuffix(".")
        raise ShardError(": ".join(filter(None, (where, place, first["msg"])))) from error
