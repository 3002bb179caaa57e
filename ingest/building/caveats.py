"""Notes on input files that are not errors: values that were rounded, chunks that are absent.

They are read from headers, whatever the source.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import chain

import numpy as np

from ingest.building.inputs import InputFile
from ingest.formats.arrays import absent_chunks
from ingest.formats.open_any import open_arrays
from ingest.recipe import Recipe
from ingest.repeated_end import repeats_its_first_cells
from ingest.source import OpenFile, find
from shards.errors import SourceError
from shards.schema import Boundary

# As many arrays as one line names.
NAMED = 4
# A larger frame is not read for a note.
LOOKED_AT_BYTES = 64 * 2**20
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


def absent_chunks_of(file: InputFile) -> str:
    """What a sentence about values that are no numbers ends with, where chunks of the file are absent."""
    notes: list[str] = []
    with suppress(SourceError), open_arrays(file.place) as arrays:
        notes = [f"; {name}: {words}" for name, words in absent_chunks(arrays).items()]
    return "".join(notes[:NAMED])


def _of_arrays(recipe: Recipe, file: InputFile) -> list[str]:
    """`u, v: rounded by ...`, without arrays that are knowingly not taken."""
    found: dict[str, list[str]] = {}
    with open_arrays(file.place) as arrays:
        for name, notes in arrays.caveats().items():
            if name.rpartition("/")[2] not in recipe.leave_out:
                for words in notes:
                    found.setdefault(words, []).append(name)
    return [f"{_listed(names, NAMED, 'array')}: {words}" for words, names in found.items()]


def _of_type(recipe: Recipe, file: InputFile) -> list[str]:
    if recipe.dtype == "source":
        return []
    with find(recipe.source).open_file(file.place, replace(recipe, dtype="source")) as opened:
        return [ROUNDED] if opened.schema.dtype == "float64" else []


def _of_rows(recipe: Recipe, file: InputFile) -> list[str]:
    """What was done to put trajectories together, and ends of axes that look stored twice; each note once."""
    with find(recipe.source).open_file(file.place, recipe) as opened:
        notes = list(dict.fromkeys(chain.from_iterable(row.notes for row in opened.rows)))
        # The other sources know their own grids.
        if recipe.source == "arrays" and opened.rows and opened.schema.frame_bytes <= LOOKED_AT_BYTES:
            notes += _repeated_ends(opened)
    return notes


def _repeated_ends(opened: OpenFile) -> list[str]:
    """Periodic axes whose last cells hold the first ones again, by the first, a middle and the last frame."""
    count = len(opened.rows[0].time)
    if not count:
        return []
    numbers = sorted({0, count // 2, count - 1})
    try:
        frames = np.concatenate([opened.frames(0, number, number + 1) for number in numbers])
    except SourceError:
        # Who reads the frames reports what is wrong with them.
        return []
    found = []
    for number, (axis, sides) in enumerate(
        zip(opened.schema.grid.axes, opened.schema.boundaries, strict=True)
    ):
        if Boundary.PERIODIC in sides and repeats_its_first_cells(frames, number):
            found.append(
                f"the last cells of the periodic axis {axis} repeat the first ones: the period would be a "
                f"cell too long; cut them with crop = {{ {axis} = [0, 1] }}"
            )
    return found


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
