"""Reads numbers in files next to the data: in their folder, or in one above that `files` names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest.fields.named_arrays import NamedArrays
from ingest.fields.numbers_at import find_arrays
from ingest.fields.run_arrays import RunArrays
from ingest.formats.arrays import Arrays, whole
from ingest.formats.side_files import find_side_file
from ingest.formats.side_lists import numbers_of_list, split_list_file
from ingest.name_pattern import filled
from ingest.recipe import Recipe
from shards.errors import SourceError


def parts_of(file: Arrays) -> dict[str, str]:
    """The text of each part of `files` in the names of a run."""
    return file.parts if isinstance(file, RunArrays | NamedArrays) else {}


def side_file(file: Arrays, name: str, recipe: Recipe) -> Path:
    """The file of this name next to the data, with the parts in braces filled in.

    Raises SourceError if there is none.
    """
    name = filled(name, parts_of(file))
    path = find_side_file(Path(file.where), name, recipe.files)
    if path is None:
        raise SourceError(f"{file.where}: no {name} next to it; expected one; add it, or correct the recipe")
    return path


def stored_lists(file: Arrays, place: str, recipe: Recipe) -> list[npt.NDArray[np.float64]]:
    """The lists of times or cell centres at a place: in the data, or in a file next to them."""
    listed = split_list_file(place)
    if listed is None:
        return [whole(array) for array in find_arrays(file, place)]
    name, key = listed
    return [numbers_of_list(side_file(file, name, recipe), key)]
