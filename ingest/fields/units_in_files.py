"""Compares the units of a recipe with those that a file states: a run in degrees Celsius next to kelvin.

See docs/decisions/0179-units-that-differ.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from ingest.fields.reference_dates import seconds_of
from ingest.fields.times import time_unit_of
from ingest.formats.arrays import AttributedArrays, readable_attributes
from ingest.formats.side_lists import split_list_file
from ingest.layout import split_channel
from ingest.name_pattern import names_parts
from ingest.recipe import Recipe

KEYS = ("units", "unit")


def notes_on_units(file: AttributedArrays, recipe: Recipe) -> list[str]:
    """A sentence per field, axis or list of times whose unit in the file differs from that in the recipe.

    A unit that one of them does not state is not compared. Spaces, capitals and `hours` for `h` do not count.
    """
    notes = []
    for name, found, wanted in _units(file, recipe):
        if found and not _is_same(found, wanted):
            notes.append(
                f"{name}: in {found!r}, but {wanted!r} in the recipe; values are taken as they are; convert "
                "them, leave the file out, or correct the recipe"
            )
    return notes


def _units(file: AttributedArrays, recipe: Recipe) -> Iterator[tuple[str, str, str]]:
    """Yields what has a unit in the recipe: its name, its unit in the file, its unit in the recipe."""
    for field in recipe.fields:
        if field.unit:
            yield field.name, _unit_of(file, split_channel(field.stored_names[0])[0]), field.unit
    for axis, rule in recipe.coordinates.items():
        if rule.unit and rule.stored and split_list_file(rule.stored) is None:
            yield axis, _unit_of(file, rule.stored), rule.unit
    time = recipe.time
    if time and time.unit and time.stored and split_list_file(time.stored) is None:
        yield "time", time_unit_of(file, time.stored, recipe), time.unit


def _unit_of(file: AttributedArrays, path: str) -> str:
    """The unit of an array, as its file states it; empty if it does not."""
    if names_parts(path) or "*" in path:
        return ""
    held = readable_attributes(file, path)
    return next((unit for key in KEYS if isinstance(unit := held.get(key), str)), "")


def _is_same(unit: str, other: str) -> bool:
    """Whether two texts mean one unit. Times that count from a date are converted where they are read."""
    if " since " in unit or " since " in other or _plain(unit) == _plain(other):
        return True
    seconds = seconds_of(unit)
    return seconds is not None and seconds == seconds_of(other)


def _plain(unit: str) -> str:
    return "".join(unit.split()).lower()
