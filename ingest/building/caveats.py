"""Notes on input files that are not errors: values that were rounded, chunks that are absent.

They are read from headers, in the same way for every source.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import chain

import numpy as np

from ingest.building.inputs import InputFile, split_of_root
from ingest.formats.arrays import absent_chunks
from ingest.formats.open_any import open_arrays
from ingest.formats.zarr_marker import MARKERS
from ingest.recipe import Recipe
from ingest.remote.path import RemotePath
from ingest.repeated_end import repeats_its_first_cells
from ingest.source import OpenFile, find
from shards.counted import counted
from shards.errors import SourceError
from shards.schema import Boundary

# The most arrays that one line names.
NAMED = 4
# Larger frames are not read for a note.
LOOKED_AT_BYTES = 64 * 2**20
DIVIDED = "no folder states a split, as that of other files does: the shares decide"
OF_ROOT = (
    "the folder of --from is called by the split {split}, and all are of it; rename it to divide them, or "
    "name the folder above"
)
UNSEEN = "read behind a URL; its digest covers the documents of the store, and no chunks"
# 2^-24 is the unit roundoff of float32, 2^-150 half of its smallest number.
ROUNDED = (
    "rounded from float64 to float32, as the recipe asks: each value by at most 2^-24 of its size, below "
    "2^-126 by at most 2^-150"
)


def caveats(recipe: Recipe, files: Iterable[InputFile]) -> tuple[str, ...]:
    """One sentence for each note; a note that holds for several files appears once."""
    found: dict[str, list[str]] = {}
    usable = list(files)
    divided = [file.path for file in usable if not file.split]
    if 0 < len(divided) < len(usable) and not recipe.held_out:
        found[DIVIDED] = divided
    split = split_of_root(usable) if recipe.source == "arrays" and not recipe.held_out else None
    if split is not None:
        found[OF_ROOT.format(split=split)] = [file.path for file in usable]
    for file in usable:
        for words in _of_file(recipe, file):
            found.setdefault(words, []).append(file.path)
    return tuple(f"{_listed(paths, 1, 'file')}: {words}" for words, paths in found.items())


def _of_file(recipe: Recipe, file: InputFile) -> list[str]:
    remote = [UNSEEN] if isinstance(file.place, RemotePath) and file.place.name in MARKERS else []
    # If a file cannot be read here, its part fails too, leaves it out and gives the reason.
    with suppress(SourceError):
        return [*remote, *_of_arrays(recipe, file), *_of_type(recipe, file), *_of_rows(recipe, file)]
    return []


def absent_chunks_of(file: InputFile) -> str:
    """`; u: 3 of 8 chunks are absent ...` for arrays that lack chunks, to append to another sentence."""
    notes: list[str] = []
    with suppress(SourceError), open_arrays(file.place) as arrays:
        notes = [f"; {name}: {words}" for name, words in absent_chunks(arrays).items()]
    return "".join(notes[:NAMED])


def _of_arrays(recipe: Recipe, file: InputFile) -> list[str]:
    """Notes on arrays, as `u, v: rounded by ...`; arrays that the recipe leaves out are skipped."""
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
    """Notes on trajectories: how their files were joined, and axes whose end seems to be stored twice."""
    with find(recipe.source).open_file(file.place, recipe) as opened:
        notes = list(dict.fromkeys(chain.from_iterable(row.notes for row in opened.rows)))
        # The other sources state their grids.
        if recipe.source == "arrays" and opened.rows and opened.schema.frame_bytes <= LOOKED_AT_BYTES:
            notes += _repeated_ends(opened)
    return notes


def _repeated_ends(opened: OpenFile) -> list[str]:
    """Finds periodic axes whose last cells repeat the first, in the first, a middle and the last frame."""
    count = len(opened.rows[0].time)
    if not count:
        return []

    numbers = sorted({0, count // 2, count - 1})
    try:
        frames = np.concatenate([opened.frames(0, number, number + 1) for number in numbers])
    except SourceError:
        # The build reads these frames again and reports what is wrong with them.
        return []

    found = []
    for number, (axis, sides) in enumerate(
        zip(opened.schema.grid.axes, opened.schema.boundaries, strict=True)
    ):
        if Boundary.PERIODIC in sides and repeats_its_first_cells(frames, number):
            found.append(
                f"the last cells of the periodic axis {axis} repeat the first ones, so the period would be "
                f"one cell too long; cut them off with crop = {{ {axis} = [0, 1] }}"
            )

    return found


def _listed(names: list[str], most: int, kind: str) -> str:
    """Some names in one line, at most as many as fit.

    >>> _listed(["u", "v", "w"], 1, "array")
    'u and 2 more arrays'
    """
    more = len(names) - most
    named = ", ".join(names[:most])
    if more <= 0:
        return named
    return f"{named} and {counted(more, f'more {kind}')}"
