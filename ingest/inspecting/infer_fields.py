"""The fields that guessed arrays make up: vectors joined from their components, stacks parted into channels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ingest.inspecting.infer_layout import AXIS_NAME, InferredLayout, PlacedArray, Words
from ingest.layout import CHANNEL, TIME, TRAJECTORY

VECTORS = {"v": "velocity", "vel": "velocity", "b": "magnetic_field", "m": "momentum", "mom": "momentum"}
# Arrays of these names hold several fields: their channels are no vector.
STACKS = ("data", "solution", "fields", "state", "output")


@dataclass(frozen=True)
class DraftField:
    """A field of the draft: its name, rank, and where each component lies."""

    name: str
    rank: int
    stored: tuple[str, ...]
    layout: Words
    constant: bool
    doubt: str = ""


def named_fields(guess: InferredLayout) -> list[DraftField]:
    """Fields by canonical names: components stored apart are joined, channels of one array are parted."""
    names = _names(guess.fields)
    fields = list(_vectors(guess, names))
    joined = {path for vector in fields for path in vector.stored}
    for each, name in names.items():
        if each.array.stored not in joined:
            fields += _fields_of(each, name, len(guess.axes))
    return [replace(field, doubt=field.doubt or _doubt(field, guess)) for field in fields]


def _doubt(field: DraftField, guess: InferredLayout) -> str:
    if AXIS_NAME.fullmatch(field.name):
        return "named as an axis; coordinates are no field: take it out if it is one"
    alike = guess.lengths.get(TRAJECTORY) == guess.lengths[TIME]
    if alike and (TRAJECTORY in field.layout) != (TIME in field.layout):
        return "as many trajectories as frames; perhaps n and t are the other way round"
    return ""


def _names(fields: tuple[PlacedArray, ...]) -> dict[PlacedArray, str]:
    """The last word of each path, or all of it where last words repeat."""
    last = {each: _plain(each.array.path.rpartition("/")[2]) for each in fields}
    unique = len(set(last.values())) == len(last)
    return last if unique else {each: _plain(each.array.stored.removeprefix("*/")) for each in fields}


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "field"


def _vectors(guess: InferredLayout, names: dict[PlacedArray, str]) -> Iterator[DraftField]:
    """Arrays without components of one kind, whose names differ in the axis alone."""
    groups: dict[tuple[str, Words], dict[str, str]] = {}
    for each, name in names.items():
        for axis in guess.axes:
            found = re.fullmatch(rf"(?:(.+?)_?{axis}|{axis}_(.+))", name, re.IGNORECASE)
            if found and CHANNEL not in each.words:
                stem = found[1] or found[2]
                groups.setdefault((stem, each.words), {}).setdefault(axis, each.array.stored)
    for (stem, words), parts in groups.items():
        if len(guess.axes) > 1 and set(parts) == set(guess.axes):
            stored = tuple(parts[axis] for axis in guess.axes)
            yield DraftField(VECTORS.get(stem.lower(), stem), 1, stored, words, TIME not in words)


def _fields_of(each: PlacedArray, name: str, dimensions: int) -> Iterator[DraftField]:
    path, count = each.array.stored, each.channels
    one = CHANNEL not in each.words or count == 1
    rank = 0 if one else {dimensions: 1, dimensions**2: 2}.get(count, -1)
    if rank > 0 and (name.lower() in STACKS or dimensions == 1):
        rank = -1
    if rank >= 0:
        doubt = "" if one else f"{count} components taken for a {'vector' if rank == 1 else 'tensor'}"
        yield DraftField(name, rank, (path,), each.words, each.constant, doubt)
        return
    for channel in range(count if each.words.count(CHANNEL) == 1 else 0):
        doubt = f"channel {channel} of {count}: name it"
        yield DraftField(f"{name}_{channel}", 0, (f"{path}[{channel}]",), each.words, each.constant, doubt)
