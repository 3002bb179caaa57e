"""Finds parameters and time steps for a draft in small files next to the data.

The reasons are in docs/decisions/0154-side-files.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest.formats.side_files import BYTES, SUFFIXES, folders_of, numbers_in
from shards.errors import SourceError

# The most files that are read, and the most numbers that are offered.
MOST_FILES = 8
MOST_NUMBERS = 40
# Names of files that do not hold parameters: schemas, our cards and indices, and those of programs.
OWN = re.compile(r".*schema\.json|card\.json|index\.json|package(-lock)?\.json|pyproject\.toml")
# A line that is in each of our recipes, but not in a file of parameters.
RECIPE = re.compile(rb'^source\s*=\s*"', re.MULTILINE)


@dataclass(frozen=True)
class SideNumber:
    """A number in a file next to the data: its name, its place in a recipe, and its value."""

    name: str
    place: str
    value: float


def side_numbers(data: Path, files: str) -> tuple[SideNumber, ...]:
    """The numbers in the files next to a data file and in the folders above it that `files` names."""
    found: dict[str, SideNumber] = {}
    for path in _side_files(data, files):
        try:
            numbers = numbers_in(path)
        except SourceError:
            # Not a file of parameters.
            continue
        for key, value in numbers.items():
            # The numbers of a list have no names.
            if key.endswith("]") or len(found) >= MOST_NUMBERS:
                continue
            last = key.rpartition(".")[2]
            name = re.sub(r"\W+", "_", key) if last in found else last
            found.setdefault(name, SideNumber(name, f"{path.name}#{key}", value))
    return tuple(found.values())


def _side_files(data: Path, files: str) -> Iterator[Path]:
    """The files with parameters of all data in a folder; files of one run among several are left out."""
    count = 0
    for folder in folders_of(data, files):
        paths = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
        alike = Counter(_without_digits(path) for path in paths)
        for path in paths:
            of_one = alike[_without_digits(path)] > 1 or _names_the_run(path, data)
            if of_one or path.name.startswith(".") or OWN.fullmatch(path.name) or _is_recipe(path):
                continue
            count += 1
            if count > MOST_FILES:
                return
            yield path


def _names_the_run(path: Path, data: Path) -> bool:
    """Whether a name holds that of a data file as a word, as params_u.json next to u.h5 does."""
    return re.search(rf"(?<![A-Za-z0-9]){re.escape(data.stem)}(?![A-Za-z0-9])", path.stem) is not None


def _is_recipe(path: Path) -> bool:
    if path.suffix != ".toml":
        return False
    with path.open("rb") as file:
        return RECIPE.search(file.read(BYTES)) is not None


def _without_digits(path: Path) -> str:
    return re.sub(r"\d+", "#", path.name)
