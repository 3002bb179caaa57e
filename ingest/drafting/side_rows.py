"""Finds the row of each run in a table next to the data, such as `sweep.csv` with a row per file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import product
from pathlib import PurePosixPath

from ingest.contents.parameters import PHYSICS
from ingest.formats.run_files import RunFiles
from ingest.formats.side_files import rows_by, same_name
from ingest.formats.side_tables import Node, nodes_of, number_of
from ingest.name_pattern import OF_ONE_RUN, NamePattern, filled, names_parts

# The most columns of a table, and the most tables of a file, that are looked at.
MOST_COLUMNS = 64
MOST_TABLES = 64
# Two columns of these names list parameters, one per row.
NAMES = ("name", "parameter", "param", "key", "quantity", "variable")
VALUES = ("value", "val")
# What can stand in the key of a place, and has a letter.
KEY = re.compile(r"[^\[\]={}#]*[^\W\d_][^\[\]={}#]*")


@dataclass(frozen=True)
class RunNames:
    """What may name a run in a table, with parts in braces, and the name of each run."""

    text: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class ListedNumbers:
    """Numbers of each run in a table: the name and the key of each, with the parts that select the row."""

    keys: tuple[tuple[str, str], ...]
    # The key of the table itself; other numbers of the file may be next to it.
    table: str


def rows_of_runs(tables: Node, runs: list[RunFiles], pattern: str) -> ListedNumbers | None:
    """The numbers in the rows that name these runs, one row for each run; None if there are none.

    A row names a run by the name of its file or folder, or by a part of it, in one of its cells; a table of
    tables does so by its keys.
    """
    parts = [run.files[0].parts for run in runs]
    names = [RunNames(text, tuple(filled(text, each) for each in parts)) for text in _texts(pattern)]
    count = 0
    for key, held in nodes_of(tables):
        if not isinstance(held, list | dict) or not held:
            continue
        count += 1
        if count > MOST_TABLES:
            return None
        found = _of_list(held, names) if isinstance(held, list) else _of_keys(held, names, is_below=bool(key))
        if found:
            return ListedNumbers(tuple((name, f"{key}{row}.{name}") for row, name in found), key)
    return None


def table_of_one_run(tables: Node) -> ListedNumbers | None:
    """The numbers in a table of one row, or with one parameter per row; None if it is neither."""
    if not isinstance(tables, list) or not tables or not isinstance(tables[0], dict):
        return None
    columns = {str(name).lower(): name for name in tables[0]}
    name = next((columns[each] for each in NAMES if each in columns), None)
    value = next((columns[each] for each in VALUES if each in columns), None)
    if name is not None and value is not None:
        rows = [row for row in tables[:MOST_COLUMNS] if _is_parameter(row, name, value)]
        return ListedNumbers(tuple((row[name], f"[{name}={row[name]}].{value}") for row in rows), "")
    if len(tables) > 1:
        return None
    numbers = tuple((each, f"[0].{each}") for each in _numbers(tables[0]))
    return ListedNumbers(numbers, "") if numbers else None


def _texts(pattern: str) -> list[str]:
    """What may name a run in a table: its path, its file, its folders, and parts of these, surest first."""
    pieces = pattern.split("/")
    texts = [pattern, pieces[-1], *("/".join(pieces[:depth]) for depth in range(len(pieces) - 1, 0, -1))]
    texts += [text.removesuffix(PurePosixPath(text).suffix) for text in (pattern, pieces[-1])]
    texts += [*pieces[:-1], *(f"{{{part}}}" for part in NamePattern(pattern).parts)]
    fitting = (each for each in texts if names_parts(each))
    return [each for each in dict.fromkeys(fitting) if set(NamePattern(each).parts).isdisjoint(OF_ONE_RUN)]


def _of_list(rows: list[Node], names: list[RunNames]) -> list[tuple[str, str]]:
    """The key of the row of a run with the name of each number; none if a run has no row, or several."""
    first = rows[0]
    if not isinstance(first, dict):
        return []
    rows_of = {name: rows_by(rows, name) for name in list(first)[:MOST_COLUMNS] if is_key(name)}
    for each, column in product(names, rows_of):
        # Runs that are called by numbers may be as many as the values of a parameter.
        if column.lower() in PHYSICS and each.text != f"{{{column}}}":
            continue
        found = [rows_of[column].get(same_name(name), []) for name in each.names]
        if all(len(places) == 1 for places in found):
            numbers = _numbers(rows[found[0][0]])
            return [(f"[{column}={each.text}]", name) for name in numbers if name != column]
    return []


def _of_keys(tables: dict[str, Node], names: list[RunNames], *, is_below: bool) -> list[tuple[str, str]]:
    """The same for tables that are called by their runs."""
    for each in names:
        first = tables.get(each.names[0])
        if isinstance(first, dict) and all(isinstance(tables.get(name), dict) for name in each.names):
            return [(f"{'.' if is_below else ''}{each.text}", name) for name in _numbers(first)]
    return []


def _numbers(row: dict[str, Node]) -> list[str]:
    columns = filter(is_key, list(row)[:MOST_COLUMNS])
    return [name for name in columns if number_of(row[name]) is not None]


def _is_parameter(row: Node, name: str, value: str) -> bool:
    return isinstance(row, dict) and number_of(row.get(value)) is not None and is_key(row.get(name))


def is_key(name: object) -> bool:
    """Whether a name can stand in the key of a place."""
    return isinstance(name, str) and name.isprintable() and KEY.fullmatch(name) is not None
