"""Numbers of the small files next to the data, as parameters and time steps that a draft offers.

docs/decisions/0154-side-files.md
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest.formats.side_files import BYTES, SUFFIXES, folders_of, numbers_in
from shards.errors import SourceError

# So many files are read, and so many numbers offered.
MOST_FILES = 8
MOST_NUMBERS = 40
# What our own files next to the data may be called.
OWN = re.compile(r".*schema\.json|card\.json|index\.json|package(-lock)?\.json|pyproject\.toml")
# What a recipe of ours says, and no file of parameters.
RECIPE = re.compile(rb'^source\s*=\s*"', re.MULTILINE)


@dataclass(frozen=True)
class SideNumber:
    """A number of a file next to the data: its name, where a recipe finds it, and its value."""

    name: str
    place: str
    value: float


def side_numbers(data: Path, files: str) -> tuple[SideNumber, ...]:
    """The numbers of the files next to a data file that fits the pattern `files`; nearer ones first."""
    found: dict[str, SideNumber] = {}
    for path in _side_files(data, files):
        try:
            numbers = numbers_in(path)
        except SourceError:
            # A file of another purpose says nothing of the data.
            continue
        for key, value in numbers.items():
            # A list has as many numbers as axes, and no name for each.
            if key.endswith("]") or len(found) >= MOST_NUMBERS:
                continue
            last = key.rpartition(".")[2]
            name = re.sub(r"\W+", "_", key) if last in found else last
            found.setdefault(name, SideNumber(name, f"{path.name}#{key}", value))
    return tuple(found.values())


def _side_files(data: Path, files: str) -> Iterator[Path]:
    """Files of parameters for all data in their folder: none of a single run among several."""
    count = 0
    for folder in folders_of(data, files):
        paths = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
        alike = Counter(_without_digits(path) for path in paths)
        for path in paths:
            of_one = alike[_without_digits(path)] > 1 or data.stem in path.stem
            if of_one or path.name.startswith(".") or OWN.fullmatch(path.name) or _is_recipe(path):
                continue
            count += 1
            if count > MOST_FILES:
                return
            yield path


def _is_recipe(path: Path) -> bool:
    if path.suffix != ".toml":
        return False
    with path.open("rb") as file:
        return RECIPE.search(file.read(BYTES)) is not None


def _without_digits(path: Path) -> str:
    return re.sub(r"\d+", "#", path.name)
