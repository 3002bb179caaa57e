"""Reads small text files as nested tables: CSV, JSON, TOML, YAML and Fortran namelists.

The files are not trusted: their size is limited, no function here calls itself, no key may occur twice. The
reasons are in docs/decisions/0154-side-files.md and 0146-parameters-per-run.md.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import tomllib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from shards.errors import SourceError

BYTES = 2**20
# The reader of YAML is a hundred times slower than the others.
YAML_BYTES = 2**16
_GROUP = re.compile(r"\s*[&$](\w+)(.*)")
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?"
_PLAIN_NUMBER = re.compile(r"(?a:[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
# Lists are ignored: after the number, another name or the end must follow.
_ASSIGNMENT = re.compile(rf"(\w+)\s*=\s*({_NUMBER})\s*(?=,?\s*(?:$|/|[A-Za-z_]\w*\s*=))")

Node = Any


def tables_in(path: Path) -> Node:
    """The tables of a file: dictionaries, lists, texts and numbers; a CSV table is a list with a dictionary
    per row.

    Raises SourceError if the file is too large, or not of the format that its name ends with.
    """
    suffix = path.suffix.lower()
    try:
        return _READERS[suffix](text_of(path))
    except (ValueError, RecursionError, csv.Error, yaml.YAMLError) as error:
        raise _unreadable(path, error) from error


def text_of(path: Path) -> str:
    """The text of a small file; raises SourceError if it is too large, or no text."""
    most = YAML_BYTES if path.suffix.lower() in (".yaml", ".yml") else BYTES
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise SourceError(f"{path}: more than {most} bytes; expected a small file of parameters")
        return content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> SourceError:
    reason = " ".join(str(error).split())[:80]
    return SourceError(f"{path}: cannot be read as {path.suffix.lower()[1:]} ({reason}); correct it")


def nodes_of(tables: Node) -> Iterator[tuple[str, Node]]:
    """All tables, lists, texts and numbers with their keys, breadth first: `physics.nu`, `runs[1].Re`."""
    waiting: deque[tuple[str, Node]] = deque([("", tables)])
    while waiting:
        key, held = waiting.popleft()
        yield key, held
        if isinstance(held, dict):
            waiting += [(f"{key}.{name}" if key else str(name), value) for name, value in held.items()]
        elif isinstance(held, list):
            waiting += [(f"{key}[{number}]", value) for number, value in enumerate(held)]


def number_of(held: Node) -> float | None:
    """The finite number that a number or a text states; None for others, such as true, NaN and lists.

    >>> number_of("1e-3"), number_of(7), number_of("nan"), number_of(True)
    (0.001, 7.0, None, None)
    """
    if isinstance(held, bool) or not isinstance(held, int | float | str):
        return None
    if isinstance(held, str) and not _PLAIN_NUMBER.fullmatch(held.strip()):
        return None
    try:
        number = float(held)
    except OverflowError:
        # An integer in JSON may have any number of digits.
        return None
    return number if math.isfinite(number) else None


def _of_json(text: str) -> Node:
    return json.loads(text, object_pairs_hook=_each_key_once)


def _each_key_once(pairs: list[tuple[Any, Node]]) -> dict[Any, Node]:
    tables: dict[Any, Node] = {}
    for key, value in pairs:
        if key in tables:
            raise ValueError(f"{key} is there twice")
        tables[key] = value
    return tables


def _of_yaml(text: str) -> Node:
    """The tables of YAML; raises ValueError for anchors, which may repeat a table without end."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            raise ValueError("it has anchors (& and *); write the values in their place")
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _each_key_once([(key.value, None) for key, _ in node.value if isinstance(key.value, str)])
            waiting += [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value
    return yaml.safe_load(text)


def _of_csv(text: str) -> list[dict[str, str]]:
    """The rows of a table by the names in its first line; lines that begin with # are comments."""
    lines = text.splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    delimiter = max(",;\t", key=first.count)
    table = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows = [row for row in table if any(row) and not row[0].startswith("#")]
    if not rows:
        return []
    names, *rows = [[cell.strip() for cell in row] for row in rows]
    if any(number_of(name) is not None or not name for name in names):
        raise ValueError("its first line does not name the columns")
    _each_key_once([(name, None) for name in names])

    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise ValueError(f"row {number} has {len(row)} values for {len(names)} columns")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _of_namelist(text: str) -> dict[str, dict[str, float]]:
    """The numbers of a Fortran namelist by group and name, without names with two values."""
    tables: dict[str, dict[str, float]] = {}
    twice: set[tuple[str, str]] = set()
    for group, name, value in _assignments(text):
        if tables.setdefault(group, {}).setdefault(name, value) != value:
            twice.add((group, name))
    for group, name in twice:
        del tables[group][name]
    return tables


def _assignments(text: str) -> Iterator[tuple[str, str, float]]:
    """Group, name and value of each assignment of one number in a group."""
    group = ""
    for line in text.splitlines():
        plain = re.sub(r"'[^']*'|\"[^\"]*\"|!.*", "", line).strip()
        begun = _GROUP.fullmatch(plain)
        if begun:
            group, plain = ("", "") if begun[1].lower() == "end" else (begun[1], begun[2])
        for name, number in _ASSIGNMENT.findall(plain) if group else ():
            yield group, name, float(re.sub("[dD]", "e", number))
        if plain.endswith("/"):
            group = ""


_READERS: dict[str, Callable[[str], Node]] = {
    ".csv": _of_csv,
    ".tsv": _of_csv,
    ".json": _of_json,
    ".toml": tomllib.loads,
    ".yaml": _of_yaml,
    ".yml": _of_yaml,
    ".nml": _of_namelist,
}
SUFFIXES = tuple(_READERS)
