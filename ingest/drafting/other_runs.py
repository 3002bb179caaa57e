"""Compares some of the other runs of a folder with the one that a draft describes.

A build leaves out a run on another grid, or without one of the fields: the draft says so before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ingest.contents.axis_labels import with_labels
from ingest.contents.combined_files import open_combined
from ingest.contents.listing import root_numbers
from ingest.contents.number_lists import Values, values_of
from ingest.contents.parameters import may_be_parameter
from ingest.drafting.side_paths import spread
from ingest.formats.arrays import ArrayFile
from ingest.formats.run_files import RunFiles
from ingest.inferring.inferred_layout import InferredLayout, PlacedArray, is_trajectory
from ingest.layout import TIME
from ingest.name_pattern import names_parts
from shards.errors import SourceError
from shards.program.console import printable

MOST_NAMED = 5


@dataclass(frozen=True)
class OtherRuns:
    """The runs that do not fit the draft, each with the reason, and the numbers that the first run lacks."""

    compared: int = 0
    misfits: dict[str, str] = field(default_factory=dict)
    # In how many of the runs each number is.
    numbers: dict[str, int] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Yields comments on the runs that a build would leave out."""
        if self.misfits:
            named = [f"{name} ({reason})" for name, reason in self.misfits.items()]
            more = ", ..." if len(named) > MOST_NAMED else ""
            do = "does" if len(named) == 1 else "do"
            said = f"of {self.compared} runs, {len(named)} {do} not fit the first, and would be left out"
            yield f"# CHECK: {said}: {printable(', '.join(named[:MOST_NAMED]))}{more}"

    def lines_on_numbers(self) -> Iterator[str]:
        """Yields a comment on the numbers that may be parameters, but which the first run lacks."""
        if self.numbers:
            held = ", ".join(
                f"{name} (in {count} of {self.compared})" for name, count in self.numbers.items()
            )
            yield f"# CHECK: numbers that some runs have, but not the first: {printable(held)}"


def other_runs(arrays: ArrayFile, layout: InferredLayout, runs: Sequence[RunFiles]) -> OtherRuns:
    """What some of the runs have otherwise than the first, which `arrays` are."""
    others = spread(runs)[1:]
    own, found = set(arrays.attributes("")), OtherRuns(len(others) + 1)
    for run in others:
        moment = [file for file in run.files if file.moment == run.files[0].moment]
        try:
            with open_combined([file.path for file in moment], [file.variable for file in moment]) as other:
                reason = _misfit(arrays, other, layout)
                numbers = root_numbers(other)
        except SourceError:
            # The build says what is wrong with these files.
            continue
        if reason:
            found.misfits[run.first.relative_to(run.base).as_posix()] = reason
        for name in numbers:
            if name not in own and may_be_parameter(name):
                found.numbers[name] = found.numbers.get(name, 0) + 1
    return found


def _misfit(own: ArrayFile, other: ArrayFile, layout: InferredLayout) -> str:
    """Why a run does not fit: a field is absent, the grid or the order of axes differs; empty if it fits."""
    names = other.names()
    for each in (*layout.fields, *layout.on_faces):
        path = each.array.path
        if names_parts(each.array.stored) or "*" in each.array.stored or each.array.place:
            continue
        if path not in names:
            return f"has no {path}"
        if _dimensions(other, path) != _dimensions(own, path):
            return f"{path} is along {', '.join(_dimensions(other, path))}"
        if _cells(other, each) != _cells(own, each):
            return f"{path} is {'×'.join(map(str, other.array(path).shape))}"
    for axis, listed in layout.lists.space.items():
        if listed.path in names and _differ(values_of(own, listed), values_of(other, listed)):
            return f"{listed.path} has other values along {axis}"
    return ""


def _dimensions(arrays: ArrayFile, path: str) -> tuple[str, ...]:
    axes = len(arrays.array(path).shape)
    return with_labels(arrays.dimensions(path), arrays.attributes(path), axes)


def _cells(arrays: ArrayFile, each: PlacedArray) -> tuple[int, ...]:
    """The lengths of the stored axes but for those of time and of trajectories."""
    shape = arrays.array(each.array.path).shape
    # A file that is a state has no axis of time.
    words = each.words[len(each.words) - len(shape) :]
    if len(words) != len(shape):
        return shape
    return tuple(n for word, n in zip(words, shape, strict=True) if word != TIME and not is_trajectory(word))


def _differ(one: Values | None, other: Values | None) -> bool:
    return one is not None and other is not None and not np.array_equal(one, other)
