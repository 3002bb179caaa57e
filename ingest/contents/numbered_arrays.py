"""Finds arrays that differ only in a number of their paths: states of one run, or arrays of several runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np

from ingest.contents.axis_names import DATE_NAME, TIME_NAME
from ingest.formats.arrays import ArrayFile, readable_attributes, readable_dimensions
from ingest.formats.dates import date_of
from ingest.formats.natural_sort import Key, natural
from ingest.formats.number_words import number_in_words
from ingest.formats.packing import Attribute
from ingest.name_numbers import SIGN
from shards.errors import SourceError

HOLE = "{step}"
_NUMBER = re.compile(rf"{SIGN}?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
STEP_WORD = re.compile(
    r"(time)?_?steps?|iter(ation)?s?|cycles?|frames?|snap(shot)?s?|states?|times?|t|it|ts|dumps?|outputs?"
    r"|data|plt|rec|timestep",
    re.IGNORECASE,
)
# Words that no one uses for anything but states of a run; `data` or `output` may be numbered runs.
SURE_STEP_WORD = re.compile(
    r"(time)?_?steps?|iter(ation)?s?|cycles?|frames?|snap(shot)?s?|times?|t|it|ts|timestep", re.IGNORECASE
)
RUN_WORD = re.compile(
    r"runs?|sims?|traj(ectory)?|samples?|seeds?|cases?|trials?|members?|ens(emble)?|reali[sz]ations?|exp"
    r"(eriment)?s?|batch(es)?|v|ver(sion)?s?",
    re.IGNORECASE,
)
# Arrays of the root or of one group that are numbered: fewer may be components or species.
FEWEST_STATES = 10


@dataclass(frozen=True)
class NumberedArrays:
    """The arrays of one run, one per frame; `pattern` has a hole for the number."""

    pattern: str
    members: tuple[str, ...]

    @property
    def first(self) -> str:
        return self.members[0]

    @property
    def numbers(self) -> tuple[str, ...]:
        """The number of each member, as it is written in its path."""
        return tuple(_number_of(self.pattern, name) for name in self.members)

    @property
    def place(self) -> str:
        """The group that holds the numbered groups or arrays."""
        return self.pattern.partition(HOLE)[0].rpartition("/")[0]

    @property
    def group(self) -> str:
        """The pattern of the numbered group; empty if the arrays themselves are numbered.

        >>> NumberedArrays("data/{step}/meshes/rho", ("data/0/meshes/rho",)).group
        'data/{step}'
        """
        head, _, tail = self.pattern.partition(HOLE)
        rest, slash, _ = tail.partition("/")
        return f"{head}{HOLE}{rest}" if slash else ""


def find_numbered_arrays(arrays: ArrayFile, names: tuple[str, ...]) -> tuple[NumberedArrays, ...]:
    """The series of states of a file; each array is in at most one, and runs are not series.

    Reads only names and the headers of a few groups, because a file may hold thousands of states.
    """
    numbered = tuple(_numbered(names))
    states = [each for each in numbered if _is_states(arrays, each, set(names))]
    return tuple(
        each
        for each in numbered
        if each in states or any(_are_numbered_alike(arrays, each, other) for other in states)
    )


def _are_numbered_alike(arrays: ArrayFile, one: NumberedArrays, states: NumberedArrays) -> bool:
    """Whether arrays have the place, the numbers and the shape of states: v_0, v_1 next to u_0, u_1 are no
    versions.
    """
    if one.group or states.group or one.place != states.place or one.numbers != states.numbers:
        return False
    return _alike(arrays, one) and arrays.array(one.first).shape == arrays.array(states.first).shape


def _numbered(names: tuple[str, ...]) -> Iterable[NumberedArrays]:
    """The arrays that share a pattern with others, each in the pattern that is likeliest to count states."""
    patterns = {name: _patterns_of(name) for name in names}
    sharing = Counter(chain.from_iterable(patterns.values()))
    members: dict[str, list[str]] = {}
    for name, own in patterns.items():
        # Of sim_1/snap_0 the second counts states, also where there are more runs than states. Of equals the
        # first: the number of a group is left of that of an array.
        shared = [pattern for pattern in own if sharing[pattern] > 1]
        best = max(shared, key=lambda pattern: (_likely_states(pattern), sharing[pattern]), default=None)
        if best is not None:
            members.setdefault(best, []).append(name)
    for pattern, held in members.items():
        if len(held) > 1:
            yield NumberedArrays(pattern, tuple(sorted(held, key=partial(_place_of, pattern))))


def _patterns_of(name: str) -> list[str]:
    """A name with a hole in place of each of its numbers, one at a time."""
    return [f"{name[: found.start()]}{HOLE}{name[found.end() :]}" for found in _NUMBER.finditer(name)]


def _place_of(pattern: str, name: str) -> tuple[float, Key]:
    return float(_number_of(pattern, name)), natural(name)


def _likely_states(pattern: str) -> int:
    """How likely a number counts states by the word before it: 2 after `snap`, 0 after `run`."""
    word = _word_before(pattern)
    # t1 may be a second temperature.
    if len(word) > 1 and SURE_STEP_WORD.fullmatch(word):
        return 2
    return 0 if RUN_WORD.fullmatch(word) else 1


def _word_before(pattern: str) -> str:
    """The letters next to the number: step_, Step#, "rho it="."""
    head = pattern.partition(HOLE)[0]
    word = re.sub(r"[^A-Za-z]+$", "", head.rpartition("/")[2])
    return re.split(r"[^A-Za-z_]+", word)[-1].strip("_")


def _is_states(arrays: ArrayFile, series: NumberedArrays, names: set[str]) -> bool:
    """Whether the members are states of one run: no list of times in a group, and something that says so."""
    word = _word_before(series.pattern)
    if RUN_WORD.fullmatch(word) or not _alike(arrays, series):
        return False
    if not series.group:
        return _is_states_by_name(arrays, series, word)
    group = series.group.replace(HOLE, _number_of(series.pattern, series.first))
    inner = [name for name in names if name.startswith(f"{group}/")]
    called = [_lengths(arrays, name) for name in inner if TIME_NAME.fullmatch(name.rpartition("/")[2])]
    # T along several axes is a temperature.
    times = [lengths for lengths in called if len(lengths) < 2]
    if any(times):
        return False
    if times or time_attribute(arrays, group) or STEP_WORD.fullmatch(word):
        return True
    # Numbers alone that have a fraction are times: runs are counted.
    return not word and any("." in number for number in series.numbers)


def _is_states_by_name(arrays: ArrayFile, series: NumberedArrays, word: str) -> bool:
    """Whether arrays are states by their names: `field/3D/10`, `u_0000`, but not `s0` to `s5`."""
    dimensions = readable_dimensions(arrays, series.first)
    if any(TIME_NAME.fullmatch(name.rpartition("/")[2]) for name in dimensions):
        return False
    if not word or STEP_WORD.fullmatch(word):
        return True
    count = len(series.members)
    is_padded = count > 2 and all(len(number) >= 3 for number in series.numbers)
    return is_padded or count >= FEWEST_STATES


def _alike(arrays: ArrayFile, series: NumberedArrays) -> bool:
    """Whether first and last have one shape: an array that grows or a number that means something else has
    not.
    """
    try:
        return arrays.array(series.members[0]).shape == arrays.array(series.members[-1]).shape
    except SourceError:
        return False


def _number_of(pattern: str, name: str) -> str:
    head, _, tail = pattern.partition(HOLE)
    return name[len(head) : len(name) - len(tail)]


def time_attribute(arrays: ArrayFile, path: str) -> str:
    """The attribute with the time of a state, such as `time`; empty if there is none.

    Only a number or a date counts, not a list.
    """
    held = readable_attributes(arrays, path)
    dates = [name for name, value in held.items() if DATE_NAME.fullmatch(name) and date_of(value) is not None]
    return next(iter((*_numbers_of_time(held), *sorted(dates))), "")


def attributes_of_time(arrays: ArrayFile, path: str) -> list[str]:
    """The attributes that are one number and called as times are, the likeliest first."""
    return _numbers_of_time(readable_attributes(arrays, path))


def _numbers_of_time(held: Mapping[str, Attribute]) -> list[str]:
    names = [name for name, value in held.items() if TIME_NAME.fullmatch(name) and _is_number(value, name)]
    return sorted(names, key=_rank_of_time)


def _rank_of_time(name: str) -> tuple[bool, bool, bool, str]:
    """Sorts `time` before `t`, and that before `T`, which may be a temperature; counters come last."""
    lower = name.lower()
    return not lower.endswith(("time", "t")), not lower.endswith("time"), name.isupper(), name


def _is_number(value: object, name: str) -> bool:
    if number_in_words(value, name) is not None:
        return True
    number = np.asarray(value)
    return number.size == 1 and number.dtype.kind in "iuf" and bool(np.isfinite(number).all())


def _lengths(arrays: ArrayFile, name: str) -> tuple[int, ...]:
    """The lengths of the axes of an array that are longer than 1; none if it cannot be read."""
    try:
        return tuple(length for length in arrays.array(name).shape if length > 1)
    except SourceError:
        return ()
