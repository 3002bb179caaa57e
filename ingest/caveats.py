"""What the user of a dataset should know of its input files, though it is no fault: values rounded, chunks absent.

Read from headers, of whatever source: sources read the numbers, and take them as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from ingest.inputs import InputFile
from ingest.opening import open_arrays
from ingest.recipe import Recipe
from shards.errors import SourceError

# As many arrays as one line names.
NAMED = 4


def caveats(recipe: Recipe, files: Iterable[InputFile]) -> tuple[str, ...]:
    """One sentence for each thing, said once where it is the same in several files."""
    found: dict[str, list[str]] = {}
    for file in files:
        for words in _of_file(recipe, file):
            found.setdefault(words, []).append(file.path)
    return tuple(f"{_listed(paths, 1, 'file')}: {words}" for words, paths in found.items())


def _of_file(recipe: Recipe, file: InputFile) -> list[str]:
    """`u, v: rounded by ...`, without arrays that are knowingly not taken."""
    found: dict[str, list[str]] = {}
    # A file that fails here fails again in its part, which leaves it out and says why.
    with suppress(SourceError), open_arrays(file.place) as arrays:
        for name, told in arrays.caveats().items():
            if name.rpartition("/")[2] not in recipe.leave_out:
                for words in told:
                    found.setdefault(words, []).append(name)
    return [f"{_listed(names, NAMED, 'array')}: {words}" for words, names in found.items()]


def _listed(names: list[str], most: int, kind: str) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more {kind}{'s' * (more > 1)}" if more > 0 else "")
