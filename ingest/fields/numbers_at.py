"""Reads the numbers at a place in [scalars] of a recipe: an array, a column, an attribute, names of groups.

Why names of groups: docs/decisions/0166-numbers-in-names-of-groups.md.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt

from ingest.formats.arrays import Array, Arrays, AttributedArrays, holds, no_array, whole
from ingest.formats.natural_sort import natural
from ingest.formats.side_files import split_side_file
from ingest.layout import split_channel, split_swept_axis
from ingest.name_numbers import parameter_number
from ingest.name_pattern import NamePattern, is_part, names_parts
from shards.errors import SourceError


def is_outside(place: str) -> bool:
    """Whether a place is outside the data file: a part of its name, or a file next to it.

    >>> is_outside("{Re}"), is_outside("params.json#nu"), is_outside("params[1]"), is_outside("Re{Re}")
    (True, True, False, False)
    """
    return is_part(place) or split_side_file(place) is not None


def find_arrays(arrays: Arrays, path: str) -> tuple[Array, ...]:
    """The array at `path`; with a `*` in it, all arrays with matching paths, in natural order.

    Raises SourceError if there is none.
    """
    if "*" not in path:
        return (arrays.array(path),)
    names = _fitting(arrays.names(), path)
    if not names:
        raise no_array(arrays.where, path, arrays.names())
    return tuple(arrays.array(name) for name in names)


def numbers_at(arrays: AttributedArrays, place: str) -> tuple[float, ...]:
    """The numbers at a place: an array `nu` or `nu[n2]`, column 1 of a table `params[1]`, an attribute
    `run@nu`, `*@nu` and `sims/*@nu` of a group per trajectory, or the number `nu{nu}` in its name.

    Raises SourceError if there are none.
    """
    if names_parts(place):
        numbers = _in_names_of_groups(arrays, place)
        if not numbers:
            raise SourceError(f"{arrays.where}: no group fits {place}; correct [scalars] of the recipe")
        return numbers
    place, _ = split_swept_axis(place)
    path, at, attribute = place.partition("@")
    if at and "*" in path:
        return _of_groups(arrays, path, attribute)

    if at:
        value = arrays.attribute(path, attribute)
        if value is None:
            raise SourceError(
                f"{arrays.where}:{path}: no attribute {attribute}; correct [scalars] of the recipe"
            )
        return (value,)

    path, column = split_channel(place)
    found = [whole(array) for array in find_arrays(arrays, path)]
    if column is not None:
        found = [_column(each, column, f"{arrays.where}:{path}") for each in found]
    return tuple(np.concatenate([each.reshape(-1) for each in found]).tolist())


def numbers_if_any(arrays: AttributedArrays, place: str) -> tuple[float, ...] | None:
    """The numbers at a place; None if the file has no such array, group or attribute."""
    if names_parts(place):
        return _in_names_of_groups(arrays, place) or None
    place, _ = split_swept_axis(place)
    path, at, attribute = place.partition("@")
    names = arrays.names()
    if not at:
        return numbers_at(arrays, place) if _fitting(names, split_channel(place)[0]) else None
    if "*" in path:
        return _of_groups(arrays, path, attribute) or None
    value = _attribute_if_any(arrays, path, attribute)
    return None if value is None else (value,)


def _attribute_if_any(arrays: AttributedArrays, path: str, attribute: str) -> float | None:
    """The number of an attribute; None if there is no such array or group, or it has no such attribute."""
    if not holds(arrays.names(), path):
        try:
            arrays.attributes(path)
        except SourceError:
            # A group without arrays is in no name: only asking tells whether it is there.
            return None
    return arrays.attribute(path, attribute)


def _fitting(names: tuple[str, ...], path: str) -> list[str]:
    """The names that match a path, in natural order; a `*` in it does not match a `/`."""
    depth = path.count("/")
    fitting = [name for name in names if name == path or ("*" in path and fnmatchcase(name, path))]
    return sorted((name for name in fitting if name.count("/") == depth), key=natural)


def _of_groups(arrays: AttributedArrays, pattern: str, attribute: str) -> tuple[float, ...]:
    """The attribute of each group of a pattern that has it, in the order of trajectories.

    The group may be one without arrays in that of the run: `*/params`.
    """
    words = pattern.split("/")
    depth = max(at for at, word in enumerate(words) if "*" in word) + 1
    of_runs, inside = "/".join(words[:depth]), "/".join(["", *words[depth:]])
    groups = [each for each in _groups(arrays, depth) if fnmatchcase(each, of_runs)]
    held = [_attribute_if_any(arrays, f"{group}{inside}", attribute) for group in groups]
    return tuple(value for value in held if value is not None)


def _in_names_of_groups(arrays: Arrays, place: str) -> tuple[float, ...]:
    """The number in the name of each group that fits `Re{Re}`, in the order of trajectories."""
    pattern = NamePattern(place)
    numbers = []
    for group, parts in pattern.matches(_groups(arrays, pattern.depth + 1)).items():
        text = parts[pattern.parts[0]]
        try:
            numbers.append(parameter_number(text))
        except ValueError as error:
            raise SourceError(
                f"{arrays.where}:{group}: {place} is {text!r} in its name; expected a number; correct "
                "[scalars] of the recipe"
            ) from error
    return tuple(numbers)


def _groups(arrays: Arrays, depth: int) -> list[str]:
    """The groups at a depth, in the order in which find_arrays gives their arrays."""
    heads = {"/".join(name.split("/")[:depth]) for name in arrays.names() if name.count("/") >= depth}
    return sorted(heads, key=lambda head: natural(f"{head}/"))


def _column(values: npt.NDArray[np.float64], column: int, where: str) -> npt.NDArray[np.float64]:
    """One column of a table of parameters [N, P], or of the row [P] of one trajectory."""
    if values.ndim not in (1, 2) or column >= values.shape[-1]:
        raise SourceError(
            f"{where}: shape {values.shape}; expected a table of parameters with a column {column}; correct "
            "[scalars] of the recipe"
        )
    return values[..., column]
