"""Finds the time step that files state: one number, or a place where runs have steps of their own.

See docs/decisions/0180-time-steps-that-differ.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from ingest.contents.listing import root_numbers
from ingest.drafting.other_files import numbers_by_run
from ingest.drafting.side_numbers import SideNumber
from ingest.formats.arrays import ArrayFile
from ingest.formats.run_files import RunFiles
from ingest.inferring.inferred_layout import InferredLayout

# Names of numbers with the time between frames, or a time step of the solver.
STEP_NAME = re.compile(
    r"d_?t|delta_?t|time_?step(_?(size|length))?|(dt|interval)_?(out(put)?|save|frames?|snap\w*)",
    re.IGNORECASE,
)
# Names of numbers with the time step of the solver; a `timestep` that is a whole number is a counter.
SOLVER_STEP = re.compile(r"d_?t|delta_?t", re.IGNORECASE)
TIME_STEP = re.compile(r"time_?step(_?(size|length))?", re.IGNORECASE)


@dataclass(frozen=True)
class StatedStep:
    """A number that is called as a time step: its name, its place in a recipe, its values in some runs.

    `lacks` says that some runs have none.
    """

    name: str
    place: str
    values: tuple[float, ...]
    lacks: bool = False

    @property
    def rule(self) -> float | str:
        """What `step` in [time] is: the number, or its place if runs differ in it."""
        return self.place if self.lacks or len(set(self.values)) > 1 else self.values[0]

    @property
    def words(self) -> str:
        """Where the step is from; if runs differ, its values in them."""
        if not isinstance(self.rule, str):
            return f"the attribute {self.name}" if self.place == f"@{self.name}" else self.place
        lacking = ", CHECK: some runs have none, and would be left out" if self.lacks else ""
        return f"{min(self.values):g} to {max(self.values):g} in the runs{lacking}"

    @property
    def is_of_solver(self) -> bool:
        """Whether it is called as the step of a solver, and is no counter."""
        if SOLVER_STEP.fullmatch(self.name):
            return True
        is_counter = all(value.is_integer() for value in self.values)
        return TIME_STEP.fullmatch(self.name) is not None and not is_counter


def stated_steps(
    arrays: ArrayFile,
    layout: InferredLayout,
    side_numbers: Sequence[SideNumber],
    runs: Sequence[RunFiles],
) -> list[StatedStep]:
    """The time steps that the file states, then those that files next to it state, all above 0."""
    names = {place: name for name, place in _places_of_steps(arrays, layout) if STEP_NAME.fullmatch(name)}
    beside = (each for each in side_numbers if STEP_NAME.fullmatch(each.name))
    found = []
    for place, numbers in (numbers_by_run(names, runs) if names else {}).items():
        values = tuple(chain.from_iterable(filter(None, numbers)))
        found.append(StatedStep(names[place], place, values, None in numbers))
    found += [StatedStep(each.name, each.place, each.values, each.lacks) for each in beside]
    return [step for step in found if step.values and min(step.values) > 0]


def _places_of_steps(arrays: ArrayFile, layout: InferredLayout) -> Iterator[tuple[str, str]]:
    """The name and the place of each attribute of the file, of the first field and of its group, and of each
    array of one number or of a number per run.
    """
    first = layout.variable[0].array
    group = first.path.rpartition("/")[0]
    places = {"": "", group: group, first.path: first.path}
    if first.groups > 1:
        # Of groups that are runs, each has its own.
        places = {"": "", first.run_group: first.each_run}
    for held, place in places.items():
        for name in root_numbers(arrays, held):
            yield name, f"{place}@{name}"
    for each in layout.scalars:
        if not each.pattern:
            along = layout.swept_axes_of(each, each.values)
            yield each.name, f"{each.stored}[{along[0]}]" if len(along) == 1 else each.stored
