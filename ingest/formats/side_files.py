"""Reads numbers from small files next to the data: JSON, TOML and Fortran namelists.

The files are not trusted: their size is limited, no function here calls itself, and only numbers are taken.
The reasons are in docs/decisions/0154-side-files.md.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ingest.formats.zarr_marker import MARKERS
from shards.errors import SourceError

BYTES = 2**20
# A longer list is ignored.
LONGEST_LIST = 64
_PLACE = re.compile(r"([^/#]+\.(?:json|toml|nml))#(.+)")
_GROUP = re.compile(r"\s*[&$](\w+)(.*)")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?"
# Lists are ignored: after the number, another name or the end must follow.
_ASSIGNMENT = re.compile(rf"(\w+)\s*=\s*({_NUMBER})\s*(?=,?\s*(?:$|/|[A-Za-z_]\w*\s*=))")


def split_side_file(place: str) -> tuple[str, str] | None:
    """The file name and the key in a place; None if the place is not in such a file.

    >>> split_side_file("params.json#physics.nu"), split_side_file("#refs#/nu")
    (('params.json', 'physics.nu'), None)
    """
    found = _PLACE.fullmatch(place)
    return (found[1], found[2]) if found else None


def folders_of(data: Path, files: str) -> tuple[Path, ...]:
    """The folder of a data file and the folders above it that the pattern `files` names, nearest first."""
    store = data.parent if data.name in MARKERS else data
    return tuple(store.parents)[: files.count("/") + 1]


def find_side_file(data: Path, name: str, files: str) -> Path | None:
    """The nearest file of this name in the folders of a data file; None if there is none."""
    places = (folder / name for folder in folders_of(data, files))
    return next((place for place in places if place.is_file()), None)


def numbers_in(path: Path) -> dict[str, float]:
    """The finite numbers in a file by their keys: `physics.nu` in a table or group, `size[1]` in a list.

    Raises SourceError if the file is too large, or not of the format that its name ends with.
    """
    try:
        with path.open("rb") as file:
            content = file.read(BYTES + 1)
        if len(content) > BYTES:
            raise SourceError(f"{path}: more than {BYTES} bytes; expected a small file of parameters")
        return dict(_READERS[path.suffix](content.decode()))
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:80]
        raise SourceError(f"{path}: cannot be read as {path.suffix[1:]} ({reason}); correct it") from error


def _of_tables(tables: object) -> Iterator[tuple[str, float]]:
    """The numbers in nested tables, breadth first; true and false are not numbers."""
    waiting: deque[tuple[str, Any]] = deque([("", tables)])
    while waiting:
        key, held = waiting.popleft()
        if isinstance(held, dict):
            waiting += [(f"{key}.{name}" if key else name, value) for name, value in held.items()]
        elif isinstance(held, list) and len(held) <= LONGEST_LIST:
            waiting += [(f"{key}[{number}]", value) for number, value in enumerate(held)]
        elif isinstance(held, int | float) and not isinstance(held, bool) and _is_finite(held):
            yield key, float(held)


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        # An integer in JSON may have any number of digits.
        return False


def _of_namelist(text: str) -> Iterator[tuple[str, float]]:
    """The numbers of a Fortran namelist, by group and name."""
    group = ""
    for line in text.splitlines():
        plain = re.sub(r"'[^']*'|\"[^\"]*\"|!.*", "", line).strip()
        begun = _GROUP.fullmatch(plain)
        if begun:
            group, plain = ("", "") if begun[1].lower() == "end" else (begun[1], begun[2])
        for name, number in _ASSIGNMENT.findall(plain) if group else ():
            value = float(re.sub("[dD]", "e", number))
            if math.isfinite(value):
                yield f"{group}.{name}", value
        if plain.endswith("/"):
            group = ""


_READERS: dict[str, Callable[[str], Iterator[tuple[str, float]]]] = {
    ".json": lambda text: _of_tables(json.loads(text)),
    ".toml": lambda text: _of_tables(tomllib.loads(text)),
    ".nml": _of_namelist,
}
SUFFIXES = tuple(_READERS)
