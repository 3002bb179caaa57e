"""Finds parameters and time steps for a draft in small files next to the data, and names the other files.

The reasons are in docs/decisions/0154-side-files.md and docs/decisions/0146-parameters-per-run.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.drafting.side_paths import SidePath, side_paths, spread
from ingest.drafting.side_rows import is_key, rows_of_runs, table_of_one_run
from ingest.formats.run_files import RunFiles
from ingest.formats.side_files import number_at, numbers_in
from ingest.formats.side_tables import SUFFIXES, tables_in
from ingest.name_pattern import names_parts
from shards.errors import SourceError

# The most files that are read, and the most numbers that are offered.
MOST_FILES = 8
MOST_NUMBERS = 40


@dataclass(frozen=True)
class SideNumber:
    """A number in files next to the data: its name, its place in a recipe, its values in several runs.

    `lacks` says that some runs have none. `is_column` says that a table lists it as a property of runs.
    """

    name: str
    place: str
    values: tuple[float, ...]
    lacks: bool = False
    is_column: bool = False

    @property
    def value(self) -> float:
        return self.values[0]

    @property
    def is_one(self) -> bool:
        """Whether it is the same in all runs."""
        return not self.lacks and len(set(self.values)) == 1


@dataclass(frozen=True)
class SideNumbers:
    """The numbers next to the data, and the files that are not used, some with the reason."""

    numbers: tuple[SideNumber, ...] = ()
    unused: tuple[str, ...] = ()

    def without(self, names: set[str]) -> SideNumbers:
        """The same without these files among those that are not used."""
        # Behind a name may be the reason.
        kept = tuple(each for each in self.unused if each.partition(" (")[0] not in names)
        return replace(self, unused=kept)

    @property
    def need_parts(self) -> bool:
        """Whether the pattern of the files must name what tells runs apart."""
        return any(names_parts(each.place) for each in self.numbers)


def side_numbers(runs: list[RunFiles], pattern: str) -> SideNumbers:
    """The numbers in files next to these runs, and in the folders above them that `pattern` names.

    The pattern has a named part for all that tells runs apart.
    """
    found: dict[str, SideNumber] = {}
    unused: list[str] = []
    read = 0
    for each in side_paths(runs, pattern):
        if Path(each.form).suffix.lower() not in SUFFIXES or read == MOST_FILES:
            unused.append(each.shown)
            continue
        read += 1
        numbers = list(_numbers(each, pattern, unused))
        for number in numbers[: MOST_NUMBERS - len(found)]:
            whole_key = re.sub(r"\W+", "_", number.place.partition("#")[2]).strip("_")
            name = whole_key if number.name in found else number.name
            found.setdefault(name, replace(number, name=name))
    return SideNumbers(tuple(found.values()), tuple(unused))


def _numbers(each: SidePath, pattern: str, unused: list[str]) -> Iterator[SideNumber]:
    """Yields the numbers of a file; if it has none, adds it to those that are not used, with the reason."""
    try:
        keys = list(_keys(each, pattern))
    except SourceError as error:
        unused.append(f"{each.shown} ({str(error).removeprefix(f'{each.path}: ')})")
        return
    if not keys:
        is_table = Path(each.form).suffix.lower() in (".csv", ".tsv")
        reason = "no number in rows that name the runs" if is_table else "no number with a name"
        unused.append(f"{each.shown} ({each.reason or reason})")
    for key, name, is_column in keys:
        values, lacks = _values(each, key)
        if values:
            yield SideNumber(name, f"{each.form}#{key}", values, lacks or each.lacking > 0, is_column)


def _keys(each: SidePath, pattern: str) -> Iterator[tuple[str, str, bool]]:
    """Yields key and name of each number of a file, and whether a table lists it."""
    tables = tables_in(each.path)
    listed = rows_of_runs(tables, [run for run, _ in each.runs], pattern)
    if each.reason and listed is None:
        return
    listed = listed or table_of_one_run(tables)
    if listed is not None:
        yield from ((key, name, True) for name, key in listed.keys)
        if not listed.table:
            return
    for key in numbers_in(each.path):
        # The numbers of a list have no names.
        if is_key(key) and not (listed and key.startswith(f"{listed.table}.")):
            yield key, key.rpartition(".")[2], False


def _values(each: SidePath, key: str) -> tuple[tuple[float, ...], bool]:
    """The numbers of a key in some of the runs, and whether one of these runs has none."""
    values, lacks = [], False
    for run, path in spread(each.runs):
        try:
            values.append(number_at(path, key, run.files[0].parts))
        except SourceError:
            lacks = True
    return tuple(values), lacks
