"""Reads times and parameters of each trajectory, from arrays, attributes or names, as the recipe states."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ingest.fields.next_to_the_data import stored_lists
from ingest.fields.numbers_at import numbers_at
from ingest.fields.reference_dates import counted_in
from ingest.fields.run_arrays import RunArrays
from ingest.fields.scalars import described_scalars, values_at
from ingest.fields.series import require_every_step
from ingest.fields.stored_times import stored_times, unit_of_stored
from ingest.fields.sweep import NO_SWEEP, Sweep
from ingest.formats.arrays import Arrays, AttributedArrays
from ingest.formats.natural_sort import steps_in
from ingest.formats.side_lists import split_list_file
from ingest.layout import PREVIOUS_FILE, TimeRule, split_channel, split_swept_axis
from ingest.name_pattern import names_parts
from ingest.recipe import Recipe
from ingest.source import Row
from shards.errors import SourceError

Times = tuple[float, ...]
T = TypeVar("T")


def described_rows(
    file: AttributedArrays, recipe: Recipe, steps: tuple[int, ...], sweep: Sweep = NO_SWEEP
) -> tuple[Row, ...]:
    """The times and parameters of each trajectory, as [time] and [scalars] of the recipe state."""
    columns = described_scalars(file, recipe, len(steps), sweep)
    files, notes = (file.files, tuple(file.notes)) if isinstance(file, RunArrays) else ((), ())
    return tuple(
        Row(time, {name: values[row] for name, values in columns.items()}, files, notes)
        for row, time in enumerate(_times(file, recipe, steps, sweep))
    )


def _times(file: AttributedArrays, recipe: Recipe, steps: tuple[int, ...], sweep: Sweep) -> list[Times]:
    """The times of each trajectory; raises SourceError if their number differs from `steps`."""
    rule = recipe.time
    if rule is None:
        raise SourceError(
            f"{file.where}: the times of the frames are not stated; add [time] to recipe {recipe.name}, with "
            "`stored`, `step` or `stop`"
        )

    _require_steps_in_file(file, recipe)
    rules = _with_own_steps(rule, file, recipe, len(steps), sweep)
    if not rule.stored:
        return [own.times(frames) for own, frames in zip(rules, steps, strict=True)]

    lists = _stored(file, rule.stored, recipe, steps, sweep)
    if rule.place:
        lists = _one_each(lists, len(steps))
    lists = [own.scaled(each) for own, each in zip(cycle(rules), lists, strict=False)]
    lists = _with_offset(lists, file, rule.offset)
    if rule.step is None and rule.unit and not split_list_file(rule.stored):
        unit = time_unit_of(file, rule.stored, recipe)
        lists = [counted_in(each, unit, rule.unit, file.where) for each in lists]
    lists = _one_each(lists, len(steps))
    if [len(each) for each in lists] != list(steps):
        raise SourceError(
            f"{file.where}:{rule.stored}: {len(lists[0])} times; expected one time per frame, {steps[0]}, "
            f"for each of {len(steps)} trajectories; state step or stop instead"
        )

    return lists


def _with_own_steps(
    rule: TimeRule, file: AttributedArrays, recipe: Recipe, count: int, sweep: Sweep
) -> list[TimeRule]:
    """The rule of each trajectory, with its own step if the rule names the place of one."""
    if not rule.place:
        return [rule] * count
    own = values_at(file, rule.place, count, recipe, sweep)
    if not all(step > 0 for step in own):
        raise SourceError(
            f"{file.where}:{rule.place}: the step is {min(own):g}; expected more than 0; correct [time]"
        )
    return [replace(rule, step=step) for step in own]


def _stored(
    file: AttributedArrays, stored: str, recipe: Recipe, steps: tuple[int, ...], sweep: Sweep
) -> list[Times]:
    """The times in the file: one list for all trajectories, or one for each."""
    is_next_to_it = split_list_file(stored) is not None
    if isinstance(file, RunArrays) and not is_next_to_it:
        return [file.times or ()]
    if (names_parts(stored) or "@" in stored) and not is_next_to_it:
        return [stored_times(file, stored, step_paths(recipe))]
    return [tuple(each.tolist()) for each in _lists(file, stored, recipe, steps, sweep)]


def _with_offset(lists: list[Times], file: AttributedArrays, offset: str) -> list[Times]:
    """The times of a single file with its offset; those of a run have theirs already."""
    if offset in ("", PREVIOUS_FILE) or isinstance(file, RunArrays):
        return lists
    numbers = numbers_at(file, offset)
    lists = _one_each(lists, len(numbers))
    offsets = _one_each(numbers, len(lists))
    return [tuple(number + time for time in times) for number, times in zip(offsets, lists, strict=True)]


def _one_each(values: Sequence[T], count: int) -> list[T]:
    """The values of so many trajectories; a single value is that of all."""
    return [values[0]] * count if len(values) == 1 else list(values)


def time_unit_of(file: AttributedArrays, stored: str, recipe: Recipe) -> str:
    """The unit of the stored times, as the file says it."""
    if isinstance(file, RunArrays):
        return file.time_unit
    return unit_of_stored(file, split_swept_axis(stored)[0], step_paths(recipe))


def _lists(
    file: Arrays, stored: str, recipe: Recipe, steps: tuple[int, ...], sweep: Sweep
) -> list[npt.NDArray[np.float64]]:
    """The lists [T] of an array [T], [T, 1] or [N, T], of an array per trajectory, or along a swept axis."""
    path, axis = split_swept_axis(stored)
    found = stored_lists(file, path, recipe)
    if axis:
        return sweep.spread(list(found[0]), axis, f"{file.where}:{path}")
    if len(found) == 1 and len(steps) > 1 and found[0].shape[:-1] in ((len(steps),), sweep.lengths or None):
        return list(found[0].reshape(len(steps), -1))
    return [
        values.reshape(-1) if max(values.shape, default=0) == values.size else np.empty(0) for values in found
    ]


def step_paths(recipe: Recipe) -> tuple[str, ...]:
    """The paths of fields with one array per step."""
    paths = (split_channel(name)[0] for name in recipe.stored_names)
    return tuple(path for path in paths if names_parts(path))


def _require_steps_in_file(file: AttributedArrays, recipe: Recipe) -> None:
    """Raises SourceError if a step is missing in a file, and in the times of the steps too."""
    paths = [path for path in step_paths(recipe) if "*" not in path]
    if isinstance(file, RunArrays) or not paths:
        return
    stored = recipe.time.stored if recipe.time and not split_list_file(recipe.time.stored) else ""
    times = stored_times(file, stored, tuple(paths)) if stored else None
    require_every_step(f"{file.where}:{paths[0]}", list(steps_in(file.names(), paths[0]).values()), times)
