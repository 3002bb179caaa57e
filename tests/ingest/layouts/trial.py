"""A draft taken as somebody would who edits the marked lines alone, and what it brings over."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np

from ingest.building.inputs import find_inputs
from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from ingest.source import Row, find
from shards.program.settings import make
from shards.schema import Cell
from tests.ingest.layouts.writers import Right

# What the draft leaves open, but for what it only offers: fewer frames, a cut, a mask that nobody asked for.
OPEN = re.compile(r"# (\[time\]|\w+ = .*)")
OFFERED = ("stride", "crop")


def edited(text: str, masked: bool) -> str:
    """The draft with its open lines taken as they stand, all sides open."""
    lines, table, has_layout = [], "", False
    for line in text.splitlines():
        plain = line.removeprefix("# ")
        if plain.startswith("["):
            table = plain
        if plain.startswith("layout = ") and not table:
            # Of layouts that the file allows alike, the first.
            if has_layout:
                continue
            has_layout = True
        wanted = masked if table == "[mask]" else not plain.startswith(OFFERED)
        if wanted and (OPEN.fullmatch(line) or line == "# [mask]"):
            line = re.sub(r"\[\"(wall|periodic)\", .*?\]", '["open", "open"]', plain)
        lines.append(line)
    return "\n".join(lines)


def recipe_of(right: Right) -> Recipe:
    """The recipe of the edited draft; raises SourceError if none is drafted."""
    return make(Recipe, tomllib.loads(edited(draft(right.source), right.solid is not None)), "draft")


@dataclass
class Brought:
    """All runs of a source as its recipe brings them over: channels [N, T, *S], solid cells [N, *S]."""

    channels: dict[str, list[np.ndarray]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    solid: list[np.ndarray] = field(default_factory=list)
    unit: str = ""


def brought(right: Right) -> Brought:
    recipe = recipe_of(right)
    found = Brought(unit=recipe.units.get("time", ""))
    for each in find_inputs(recipe, right.source):
        with find(recipe.source).open_file(each.place, recipe) as file:
            for number, row in enumerate(file.rows):
                frames = file.frames(number, 0, len(row.time))
                for channel, name in enumerate(file.schema.channels):
                    found.channels.setdefault(name, []).append(frames[:, channel])
                found.rows.append(row)
                found.solid.append((file.boundary(number) & Cell.OBSTACLE) > 0)
    return found


def faults(right: Right) -> list[str]:
    """What the edited draft brings over that is not right: runs, values, times, parameters, solid cells."""
    found, faults = brought(right), []
    if len(found.rows) != right.runs:
        faults.append(f"{len(found.rows)} runs; expected {right.runs}")
    for name, wanted in right.fields.items():
        runs = found.channels.get(name, [])
        if not _same_runs(runs, wanted if right.runs > 1 else wanted[None], right.solid):
            held = ", ".join(f"{each} {values[0].shape}" for each, values in found.channels.items())
            faults.append(f"{name} {wanted.shape} is none of {held}")
    if right.times is not None and not all(_same_times(row.time, right.times) for row in found.rows):
        faults.append(f"times {found.rows[0].time}; expected {right.times}")
    if right.unit and found.unit != right.unit:
        faults.append(f"times in {found.unit!r}; expected {right.unit!r}")
    for name, wanted in right.scalars.items():
        values = sorted(row.scalars.get(name, np.nan) for row in found.rows)
        if values != sorted(wanted):
            faults.append(f"{name} is {values}; expected {wanted}")
    if right.solid is not None and not all(np.array_equal(each, right.solid) for each in found.solid):
        faults.append(f"{found.solid[0].sum()} cells are solid; expected {right.solid.sum()}")
    return faults


def _same_times(times: tuple[float, ...], wanted: np.ndarray) -> bool:
    """Whether frames are as far apart as they should be: dates begin where their calendar does."""
    return len(times) == len(wanted) and np.allclose(np.subtract(times, times[0]), wanted - wanted[0])


def _same_runs(runs: list[np.ndarray], wanted: np.ndarray, solid: np.ndarray | None) -> bool:
    """Whether runs [T, *S] have these values [N, T, *S], in any order of runs and of axes of space."""
    fluid = slice(None) if solid is None else ~solid
    expected = sorted(np.ascontiguousarray(each[:, fluid]).tobytes() for each in wanted)
    for order in permutations(range(1, wanted.ndim - 1)):
        turned = [each.transpose(0, *order).astype(wanted.dtype) for each in runs]
        on_grid = len(turned) == len(wanted) and all(each.shape == wanted.shape[1:] for each in turned)
        if on_grid and sorted(np.ascontiguousarray(each[:, fluid]).tobytes() for each in turned) == expected:
            return True
    return False
