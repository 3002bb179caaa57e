"""Reads the parameters of trajectories: from arrays and attributes, file names, or files next to the data."""

from __future__ import annotations

from ingest.fields.next_to_the_data import parts_of, side_file
from ingest.fields.numbers_at import numbers_at
from ingest.fields.sweep import Sweep
from ingest.formats.arrays import Arrays, AttributedArrays
from ingest.formats.side_files import number_at, split_side_file
from ingest.layout import split_swept_axis
from ingest.name_numbers import parameter_number
from ingest.name_pattern import is_part
from ingest.recipe import Recipe
from shards.counted import counted
from shards.errors import SourceError


def described_scalars(
    file: AttributedArrays, recipe: Recipe, count: int, sweep: Sweep
) -> dict[str, list[float]]:
    """The values of each parameter in [scalars] of the recipe, one for each of `count` trajectories."""
    return {name: values_at(file, place, count, recipe, sweep) for name, place in recipe.scalars.items()}


def values_at(file: AttributedArrays, place: str, count: int, recipe: Recipe, sweep: Sweep) -> list[float]:
    """The number at a place for each of `count` trajectories; one number in a file is that of all.

    Raises SourceError if there is none, or another count of them.
    """
    place, axis = split_swept_axis(place)
    if split_side_file(place):
        return [_number_next_to(file, place, recipe)] * count
    if is_part(place):
        return [_number_in_name(file, place)] * count
    values = numbers_at(file, place)
    if axis:
        return sweep.spread(values, axis, f"{file.where}:{place}")
    if len(values) != count and len(values) in sweep.lengths:
        number = sweep.lengths.index(len(values)) + 1
        raise SourceError(
            f"{file.where}:{place}: {len(values)} values; expected one, or one for each of {count} "
            f'trajectories; if they are along the axis n{number}, write "{place}[n{number}]"'
        )
    if "*" in place and len(values) != count:
        # One number of several runs is not that of all: the others lack it.
        raise SourceError(
            f"{file.where}:{place}: {counted(len(values), 'value')}; expected one for each of {count} "
            "trajectories; correct [scalars] of the recipe, or add the numbers to the file"
        )
    if len(values) not in (1, count):
        raise SourceError(
            f"{file.where}:{place}: {len(values)} values; expected one, or one for each of {count} "
            "trajectories; correct [scalars] of the recipe"
        )
    return list(values) if len(values) == count else list(values) * count


def _number_in_name(file: Arrays, place: str) -> float:
    """The number in a named part of the file names of a run."""
    text = parts_of(file).get(place.strip("{}"), "")
    try:
        return parameter_number(text)
    except ValueError as error:
        raise SourceError(
            f"{file.where}: {place} is {text!r} in its name; expected a number; correct files or [scalars]"
        ) from error


def _number_next_to(file: Arrays, place: str, recipe: Recipe) -> float:
    """The number in a file in the folder of the data, or in a folder above it that `files` names."""
    name, key = split_side_file(place) or ("", "")
    return number_at(side_file(file, name, recipe), key, parts_of(file))
