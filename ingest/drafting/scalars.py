"""Drafts the parameters of a recipe: numbers that look like physics are used, others are listed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from ingest.contents.listing import ArrayInfo, root_numbers
from ingest.contents.parameters import (
    PHYSICS,
    PROGRAM,
    is_of_program,
    is_parameter_list,
    looks_like_physics,
    may_be_parameter,
)
from ingest.drafting.group_names import parameters_of_groups
from ingest.drafting.other_files import Numbers, changing_places, differing_numbers, readable_numbers
from ingest.drafting.side_numbers import SideNumber
from ingest.drafting.table import line
from ingest.formats.arrays import ArrayFile, whole
from ingest.formats.packing import Attribute
from ingest.formats.run_files import RunFiles
from ingest.inferring.inferred_layout import InferredLayout
from ingest.inspecting.folder_contents import NamedParameter
from shards.errors import SourceError
from shards.program.console import printable

# Names of a list with names of parameters.
COLUMN_LIST = re.compile(
    r"(param(eter)?|coef(ficient)?|condition|input|scalar|column|label|feature)s?[-_]?(names?|labels?|keys?)?"
    r"|names|keys",
    re.IGNORECASE,
)
# A document of JSON, TOML, YAML or a namelist as text, and a number with a name in it.
_DOCUMENT = re.compile(r"\s*[{\[&]|.*\n", re.DOTALL)
_NUMBER_OF_NAME = re.compile(r"\w[\"']?\s*[:=]\s*[-+]?\d")
# Groups without arrays in which programs state their parameters.
PARAMETER_GROUPS = (
    *("params", "parameters", "param", "config", "configuration", "settings", "metadata", "meta", "info"),
    *("header", "attributes", "attrs", "simulation", "physics", "input", "inputs"),
)


@dataclass(frozen=True)
class DraftParameter:
    """A number of the draft: its place in a recipe, its value or range; is it likely physics?

    `lacks` says that some runs have none.
    """

    place: str
    span: str
    is_physics: bool
    lacks: bool = False
    # What a person must decide about its place; empty if nothing.
    question: str = ""

    @classmethod
    def of_number(cls, name: str, place: str, value: float) -> DraftParameter:
        return cls(place, f"{value:g}", looks_like_physics(name, value))

    @classmethod
    def next_to_the_data(cls, number: SideNumber) -> DraftParameter:
        # Who names a column says that it is a parameter; a counter is none.
        is_physics = looks_like_physics(number.name, number.value)
        is_listed = number.is_column and not is_of_program(number.name)
        span = _span(min(number.values), max(number.values))
        return cls(number.place, span, is_physics or is_listed, number.lacks)


def scalar_lines(
    arrays: ArrayFile,
    layout: InferredLayout,
    in_names: tuple[NamedParameter, ...] = (),
    last_file: Path | None = None,
    side_numbers: tuple[SideNumber, ...] = (),
    used: str = "",
    runs: Sequence[RunFiles] = (),
) -> list[str]:
    """The table [scalars], each key once; counters and settings of the program are comments.

    `in_names` are the parameters in names of files. `last_file` is the last file of the run, if the run has
    several: a number that differs between files is no parameter. `side_numbers` are the numbers of files next
    to the data. `used` is the name of a number that the draft has elsewhere. `runs` show what differs.
    """
    unsure = [each for each in in_names if _is_unsure(each)]
    named = [each for each in in_names if each not in unsure]
    found = _parameters(arrays, layout, in_names, named)
    for number in side_numbers:
        # The data themselves come first.
        found.setdefault(number.name, DraftParameter.next_to_the_data(number))
    changing = changing_places({each.place for each in found.values()}, arrays, last_file)
    states = [name for name, each in found.items() if each.place in changing]
    stated = {name: each for name, each in found.items() if name not in (*states, used)}

    places = [*(each.place for each in stated.values()), *(part.place for part in in_names)]
    differing = differing_numbers(places, runs, side_numbers)
    again = _again_in_names(stated, in_names, differing)
    unsure = [part for part in unsure if part.place not in again]
    kept = {
        name: _in_all_runs(name, each, differing) for name, each in stated.items() if each.place not in again
    }
    return [*_table(kept, unsure, states), *_texts_with_numbers(arrays)]


def _texts_with_numbers(arrays: ArrayFile) -> Iterator[str]:
    """Yields a comment on attributes with a document, such as JSON, that may hold parameters."""
    held = arrays.attributes("")
    texts = {name: value for name, value in sorted(held.items()) if isinstance(value, str)}
    named = [name for name, text in texts.items() if _DOCUMENT.match(text) and _NUMBER_OF_NAME.search(text)]
    if named:
        said = printable(", ".join(named[:9]))
        yield f"# CHECK: {said}: text with numbers, not read; write parameters to params.json next to them"


def _in_all_runs(
    name: str, parameter: DraftParameter, differing: Mapping[str, tuple[Numbers, ...]]
) -> DraftParameter:
    """The parameter with the range of its numbers in the runs; what differs is physics if it may be."""
    if parameter.place not in differing:
        return parameter
    numbers = list(chain.from_iterable(differing[parameter.place]))
    is_physics = parameter.is_physics or may_be_parameter(name)
    return replace(parameter, span=_span(min(numbers), max(numbers)), is_physics=is_physics)


def _table(
    kept: Mapping[str, DraftParameter], unsure: Sequence[NamedParameter], states: Sequence[str]
) -> list[str]:
    """The table with the parameters of the physics, and comments on what a person may add."""
    physics = {name: each for name, each in kept.items() if each.is_physics}
    lacking = {name: each for name, each in physics.items() if each.lacks}
    taken = [_line_of(name, each) for name, each in physics.items() if not each.lacks]
    comments = [
        *(f"# {line(part.name, part.place)}  # {part.text}; CHECK: uncomment a parameter" for part in unsure),
        *(
            f"# {line(name, each.place)}  # {each.span}; CHECK: some runs have none, and would be left out"
            for name, each in lacking.items()
        ),
        *_left_out(kept, states),
    ]
    if taken:
        said = "# CHECK: keep what is a parameter of the physics, and name it as others do."
        return ["", "[scalars]", said, *taken, *comments]
    if unsure or lacking:
        return ["", "[scalars]", *comments]
    return ["", *comments] if comments else []


def _line_of(name: str, parameter: DraftParameter) -> str:
    """A parameter of the table; as a comment, if a person must decide about its place."""
    said = f"{line(name, parameter.place)}  # {parameter.span}"
    return f"# {said}; {parameter.question}" if parameter.question else said


def _left_out(kept: Mapping[str, DraftParameter], states: Sequence[str]) -> Iterator[str]:
    """Comments with the numbers that are no parameters: those of states, of the program, and settings."""
    left = {name: printable(f"{name} = {each.span}") for name, each in kept.items() if not each.is_physics}
    of_program = [said for name, said in left.items() if not may_be_parameter(name)]
    others = [said for name, said in left.items() if may_be_parameter(name)]
    if states:
        yield f"# Left out, because files of one run differ in them: {printable(', '.join(states[:20]))}"
    if of_program:
        listed = ", ".join(of_program[:20])
        yield f"# Left out, because they belong to the program and not to the physics: {listed}"
    if others:
        said = "# Left out, because whole numbers that are the same in all runs may be settings"
        yield f"{said}: {', '.join(others[:20])}"


def _again_in_names(
    stated: Mapping[str, DraftParameter],
    in_names: Sequence[NamedParameter],
    differing: Mapping[str, tuple[Numbers, ...]],
) -> set[str]:
    """The places of those numbers in names that the data state too: U3.h5 with the attribute U_inf = 3."""
    of_names = {part.place for part in in_names}
    in_data = [
        differing[each.place]
        for name, each in stated.items()
        if each.place in differing and each.place not in of_names and may_be_parameter(name)
    ]
    return {place for place in of_names if place in differing and differing[place] in in_data}


def _parameters(
    arrays: ArrayFile,
    layout: InferredLayout,
    in_names: tuple[NamedParameter, ...],
    named: list[NamedParameter],
) -> dict[str, DraftParameter]:
    """The parameters in file names, attributes, arrays and columns of tables, each name once."""
    found: dict[str, DraftParameter] = {}
    for part in named:
        found[part.name] = DraftParameter(part.place, part.text, looks_like_physics(part.name, part.value))
    for place, name, value in _numbers_of_groups(arrays, ""):
        found.setdefault(name, DraftParameter.of_number(name, place, value))
    # Of groups that are runs, each has its own.
    in_runs = [each.array for each in layout.variable if each.array.groups > 1]
    if in_runs:
        found |= _of_groups(arrays, in_runs[0], set(found))
    for each in layout.scalars:
        last = each.name if each.split_pattern else each.path.rpartition("/")[2]
        name = last if last not in found else re.sub(r"\W+", "_", each.path)
        parameter = _of_array(arrays, layout, each, last)
        if parameter is not None and name not in {part.name for part in in_names}:
            # An attribute and an array of one name: the array is what a solver reads back.
            found.pop(name, None)
            found[name] = parameter

    return found | _columns(arrays, layout, set(found))


def _of_array(arrays: ArrayFile, layout: InferredLayout, each: ArrayInfo, name: str) -> DraftParameter | None:
    """The parameter in an array of one number, or of a number per run; None for one of each state, or one
    that cannot be read.
    """
    if each.pattern:
        return None
    try:
        values = whole(arrays.array(each.path)).reshape(-1)
    except SourceError:
        return None
    low, high = float(values.min()), float(values.max())
    if math.isnan(low) or math.isnan(high):
        return None
    along, question = _along(each, layout, tuple(length for length in each.lengths if length > 1))
    is_physics = looks_like_physics(name, low) or is_parameter_list(name)
    return DraftParameter(f"{each.stored}{along}", _span(low, high), is_physics, question=question)


def _of_groups(arrays: ArrayFile, each: ArrayInfo, taken: set[str]) -> dict[str, DraftParameter]:
    """The parameters in attributes and in the names of the groups of an array of many runs."""
    found: dict[str, DraftParameter] = {}
    for place, name, value in _numbers_of_groups(arrays, each.run_group):
        shown = f"{each.each_run}{place.removeprefix(each.run_group)}"
        values = readable_numbers(arrays, shown) or (value,)
        parameter = DraftParameter.of_number(name, shown, value)
        found.setdefault(name, replace(parameter, span=_span(min(values), max(values))))
    for name, place in parameters_of_groups(each).items():
        values = readable_numbers(arrays, place) or ()
        # Names that differ in more than their numbers do not all fit.
        if len(values) == each.groups:
            is_physics = looks_like_physics(name, values[0])
            found.setdefault(name, DraftParameter(place, _span(min(values), max(values)), is_physics))
    return {name: parameter for name, parameter in found.items() if name not in taken}


def _numbers_of_groups(arrays: ArrayFile, group: str) -> Iterator[tuple[str, str, float]]:
    """Yields the numbers among the attributes of a group, and of groups in it that are called by parameters:
    place, name, value.
    """
    above = f"{group}/" if group else ""
    called = (*PARAMETER_GROUPS, *map(str.capitalize, PARAMETER_GROUPS))
    for path in (group, *(f"{above}{name}" for name in called)):
        try:
            numbers = root_numbers(arrays, path)
        except SourceError:
            # There is no such group, or the list of arrays says what is wrong with it.
            continue
        for name, value in numbers.items():
            yield f"{path}@{name}", name, value


def _span(low: float, high: float) -> str:
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"


def _along(each: ArrayInfo, layout: InferredLayout, lengths: tuple[int, ...]) -> tuple[str, str]:
    """The axis of a sweep along which a list of parameters is, as `[n2]`, and what a person must decide."""
    axes = layout.swept_axes_of(each, lengths)
    question = f"DECIDE: is it along {' or '.join(axes)}? uncomment" if len(axes) > 1 else ""
    return (f"[{axes[0]}]" if axes else "", question)


def _is_unsure(part: NamedParameter) -> bool:
    """Whether a whole number with an unknown name, such as k4, may be a parameter or a counter."""
    is_known = part.is_sure or part.name.lower() in PHYSICS or part.value % 1 > 0
    return not is_known and may_be_parameter(part.name)


def _columns(arrays: ArrayFile, layout: InferredLayout, taken: set[str]) -> dict[str, DraftParameter]:
    """The columns of a table of parameters [N, P] that the file names: the path and the range of each."""
    found: dict[str, DraftParameter] = {}
    for each in layout.rest:
        if len(each.lengths) != 2 or each.lengths[0] not in layout.runs.values() or each.fault:
            continue
        along, question = _along(each, layout, each.lengths[:1])
        names = _names_of_columns(arrays, each.path, each.lengths[1])
        values = whole(arrays.array(each.path)) if names else np.empty((0, 0))
        for column, name in enumerate(names):
            low, high = float(values[:, column].min()), float(values[:, column].max())
            # Who names a column says that it is a parameter; a counter is none.
            if name not in taken and low <= high:
                span = f"{low:.6g} to {high:.6g}"
                found[name] = DraftParameter(
                    f"{each.stored}[{column}]{along}", span, name.lower() not in PROGRAM, question=question
                )
    return found


def _names_of_columns(arrays: ArrayFile, path: str, count: int) -> tuple[str, ...]:
    """The names of the columns, from an attribute of the table or a list of text in the file."""
    lists: dict[str, Attribute] = dict(arrays.attributes(path))
    for name in arrays.names():
        last = name.rpartition("/")[2]
        if COLUMN_LIST.fullmatch(last):
            lists[last] = arrays.texts(name)
    for key, held in lists.items():
        words = tuple(each.strip() for each in held.split(",")) if isinstance(held, str) else held
        if COLUMN_LIST.fullmatch(key) and isinstance(words, tuple) and len(set(words)) == count == len(words):
            return tuple(map(str, words)) if all(str(word).isprintable() and word for word in words) else ()
    return ()
