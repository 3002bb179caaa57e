"""Says what attributes state of the values of a field and no recipe applies: a factor, a place in a cell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np

from ingest.formats.arrays import ArrayFile, readable_attributes
from ingest.formats.packing import Attribute
from ingest.inferring.inferred_layout import PlacedArray

# Names that NetCDF does not know; its scale_factor and add_offset are applied.
_FACTOR = re.compile(
    r"scal(e|ing)(_?factor)?|factor|gain|multiplier|slope|norm(ali[sz]ation)?|conversion(_?factor)?",
    re.IGNORECASE,
)
_OFFSET = re.compile(r"offset|intercept|bias", re.IGNORECASE)
APPLIED = ("scale_factor", "add_offset")


def doubts_of_attributes(
    arrays: ArrayFile, parts: Iterable[PlacedArray], model: PlacedArray
) -> Iterator[str]:
    """Yields what the attributes of the arrays of a field say of its values; `model` has the positions."""
    for path in dict.fromkeys(part.array.path for part in parts):
        held = readable_attributes(arrays, path)
        for name, number in _factors_and_offsets(held):
            yield f"its attribute {name} = {number:g} is not applied"
        own, others = position_in_cell(held), position_in_cell(readable_attributes(arrays, model.array.path))
        if own and others and own != others:
            yield f"{path} lies at {_listed(own)} of a cell, and {model.array.path} at {_listed(others)}"


def most_central(arrays: ArrayFile, fields: Iterable[PlacedArray]) -> PlacedArray:
    """The field that lies nearest to the centres of the cells; the first, where no field says where."""

    def distance(each: PlacedArray) -> float:
        position = position_in_cell(readable_attributes(arrays, each.array.path))
        return sum(abs(place - 0.5) for place in position)

    return min(fields, key=distance)


def position_in_cell(held: dict[str, Attribute]) -> tuple[float, ...]:
    """Where in a cell the values of an array lie, 0 to 1 per axis, as openPMD states it; empty if nowhere."""
    position = np.asarray(held.get("position", ())).reshape(-1)
    return tuple(position.tolist()) if position.dtype.kind in "iuf" else ()


def _factors_and_offsets(held: dict[str, Attribute]) -> Iterator[tuple[str, float]]:
    """Yields the attributes that would change values, with their numbers; not _FillValue."""
    for name, value in held.items():
        if name in APPLIED or not (_FACTOR.fullmatch(name) or _OFFSET.fullmatch(name)):
            continue
        neutral = 1.0 if _FACTOR.fullmatch(name) else 0.0
        number = _only_number(value)
        if number is not None and number != neutral:
            yield name, number


def _only_number(value: Attribute) -> float | None:
    if isinstance(value, str | tuple):
        return None
    number = np.asarray(value)
    return float(number.item()) if number.size == 1 and number.dtype.kind in "iuf" else None


def _listed(position: tuple[float, ...]) -> str:
    return ", ".join(f"{each:g}" for each in position)
