"""Finds numbers in small files next to the data, by places such as `params.json#physics.nu`.

In a place, a part of `files` in braces stands for its text in the name of the run: `{run}.json#nu`,
`sweep.csv#[file={run}.h5].nu`. The reasons are in docs/decisions/0154-side-files.md and
docs/decisions/0146-parameters-per-run.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ingest.formats.side_tables import Node, nodes_of, number_of, tables_in
from ingest.formats.zarr_marker import MARKERS
from ingest.name_pattern import filled
from shards.errors import SourceError

# How many folders of a path in a table are looked at.
DEEPEST = 16
# A file next to the data, or in a folder next to them.
_PLACE = re.compile(r"((?:(?!\.\.?/)[^/#]+/)?[^/#]+\.(?:csv|tsv|json|toml|ya?ml|nml))#(.+)")
# The row of a table by a cell of it, such as [file=a.h5].
_ROW = re.compile(r"\[([^\[\]=]+)=([^\[\]]*)\]")


def split_side_file(place: str) -> tuple[str, str] | None:
    """The file name and the key in a place; None if the place is not in such a file.

    >>> split_side_file("params.json#physics.nu"), split_side_file("#refs#/nu")
    (('params.json', 'physics.nu'), None)
    >>> split_side_file(".hydra/config.yaml#nu"), split_side_file("../config.yaml#nu")
    (('.hydra/config.yaml', 'nu'), None)
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

    Raises SourceError if the file cannot be read.
    """
    return dict(_content(path).numbers)


def number_at(path: Path, key: str, parts: Mapping[str, str]) -> float:
    """The number of a key of a file, with the parts in braces of the key filled in.

    Raises SourceError if there is none, or not one row.
    """
    content, found = _content(path), _ROW.search(key)
    if found:
        key = f"{key[: found.start()]}[{_row(path, content, key, parts)}]{key[found.end() :]}"
    else:
        key = filled(key, parts)
    if key not in content.numbers:
        held = ", ".join(list(content.numbers)[:12]) or "no number"
        raise SourceError(f"{path}: no number {key}; found {held}; correct [scalars] of the recipe")
    return content.numbers[key]


def list_at(path: Path, key: str) -> tuple[float, ...]:
    """The numbers of a list of a file, or of a column of a table.

    Raises SourceError if there is none, or if a value of it is no number.
    """
    lists = _content(path).lists
    column = [row[key] for row in lists.get("", ()) if isinstance(row, dict) and key in row]
    numbers = [number_of(each) for each in lists.get(key, column)]
    found = tuple(number for number in numbers if number is not None)
    if not found or len(found) < len(numbers):
        raise SourceError(
            f"{path}: {key} is no list of numbers; expected one; correct `stored` in the recipe"
        )
    return found


def same_name(cell: object) -> str:
    """A text that is equal for a cell of a table and a name: 3 and 003 are one number.

    >>> same_name(3) == same_name("003"), same_name("out_003.h5")
    (True, 'out_003.h5')
    """
    number = number_of(cell)
    return str(cell).strip() if number is None else repr(number)


def rows_by(rows: list[Node], column: str) -> dict[str, list[int]]:
    """The numbers of the rows by their cell in a column, as `same_name` writes it.

    Of a path, each end counts: the row of `/data/a/out.h5` is also that of `a/out.h5` and `out.h5`.

    >>> rows_by([{"file": "/data/a.h5"}, {"file": "/data/b.h5"}], "file")["b.h5"]
    [1]
    """
    found: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        if isinstance(row, dict) and column in row:
            whole = same_name(row[column])
            pieces = whole.replace("\\", "/").split("/")[-DEEPEST:]
            ends = ("/".join(pieces[place:]) for place in range(len(pieces)))
            for name in dict.fromkeys((whole, *ends)):
                found.setdefault(name, []).append(number)
    return found


@dataclass(frozen=True)
class _Content:
    """What a file holds: its numbers, its lists by key, and the rows of these lists that were looked up."""

    numbers: dict[str, float]
    lists: dict[str, list[Node]]
    rows: dict[tuple[str, str], dict[str, list[int]]]


def _content(path: Path) -> _Content:
    try:
        status = path.stat()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); add it again") from error
    return _cached(path, (status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=8)
def _cached(path: Path, version: object) -> _Content:
    # A table of thousands of runs is read once, not once per run.
    numbers: dict[str, float] = {}
    lists: dict[str, list[Node]] = {}
    for key, held in nodes_of(tables_in(path)):
        number = number_of(held)
        if number is not None:
            numbers[key] = number
        elif isinstance(held, list):
            lists[key] = held
    return _Content(numbers, lists, {})


def _row(path: Path, content: _Content, key: str, parts: Mapping[str, str]) -> int:
    """The number of the row that a key such as `runs[file={run}.h5].Re` selects."""
    found = _ROW.search(key)
    assert found is not None
    before, column, wanted = key[: found.start()], found[1], filled(found[2], parts)
    if (before, column) not in content.rows:
        content.rows[before, column] = rows_by(content.lists.get(before, []), column)
    rows = content.rows[before, column].get(same_name(wanted), [])
    if len(rows) != 1:
        raise SourceError(
            f"{path}: {len(rows) or 'no'} rows with {column} = {wanted}; expected one for each run; correct "
            "the file, or [scalars] of the recipe"
        )
    return rows[0]
