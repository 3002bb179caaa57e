"""Notes on input files that are no faults: values that were rounded, chunks that are absent.

They are read from headers, whatever the source.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import chain

from ingest.building.inputs import InputFile
from ingest.formats.open_any import open_arrays
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SourceError

# As many arrays as one line names.
NAMED = 4
# The unit roundoff of float32, and half of its smallest number.
ROUNDED = (
    "rounded from float64 to float32, as the recipe asks: each value by at most 2^-24 of its size, below "
    "2^-126 by at most 2^-150"
)


def caveats(recipe: Recipe, files: Iterable[InputFile]) -> tuple[str, ...]:
    """One sentence for each thing, said once where it is the same in several files."""
    found: dict[str, list[str]] = {}
    for file in files:
        for words in _of_file(recipe, file):
            found.setdefault(words, []).append(file.path)
    return tuple(f"{_listed(paths, 1, 'file')}: {words}" for words, paths in found.items())


def _of_file(recipe: Recipe, file: InputFile) -> list[str]:
    # A file that fails here fails again in its part, which leaves it out and says why.
    with suppress(SourceError):
        return [*_of_arrays(recipe, file), *_of_type(recipe, file), *_of_rows(recipe, file)]
    return []


def _of_arrays(recipe: Recipe, file: InputFile) -> list[str]:
    """`u, v: rounded by ...`, without arrays that are knowingly not taken."""
    found: dict[str, list[str]] = {}
    with open_arrays(file.place) as arrays:
        for name, told in arrays.caveats().items():
            if name.rpartition("/")[2] not in recipe.leave_out:
                for words in told:
                    found.setdefault(words, []).append(name)
    return [f"{_listed(names, NAMED, 'array')}: {words}" for words, names in found.items()]


def _of_type(recipe: Recipe, file: InputFile) -> list[str]:
    if recipe.dtype == "source":
        return []
    with find(recipe.source).open_file(file.place, replace(recipe, dtype="source")) as opened:
        return [ROUNDED] if opened.schema.dtype == "float64" else []


def _of_rows(recipe: Recipe, file: InputFile) -> list[str]:
    """What was done to put trajectories together, each note once."""
    with find(recipe.source).open_file(file.place, recipe) as opened:
        return list(dict.fromkeys(chain.from_iterable(row.notes for row in opened.rows)))


def _listed(names: list[str], most: int, kind: str) -> str:
    """Names in one line, no more than so many.

    >>> _listed(["u", "v", "w"], 1, "array")
    'u and 2 more arrays'
    """
    more = len(names) - most
    named = ", ".join(names[:most])
    if more <= 0:
        return named
    return f"{named} and {more} more {kind}" + ("s" if more > 1 else "")
