"""Which arrays of a file are fields on one grid, and in which order their axes lie, from names and lengths alone.

Axes: n trajectory, t time, c component, and the axes of space by their names.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import product

from ingest.inspecting.contents import ArrayInfo
from ingest.layout import CHANNEL, TIME, TRAJECTORY
from shards.errors import SourceError

Words = tuple[str, ...]
Lengths = dict[str, int]

AXES = (
    *("x", "y", "z", "r", "log_r", "theta", "phi"),
    *("lev", "level", "plev", "altitude", "lat", "latitude", "lon", "longitude"),
)
AXIS_NAME = re.compile(rf"({'|'.join(AXES)})([-_](coordinates?|cent(er|re)s?|coords?|cells))?", re.IGNORECASE)
TIME_NAME = re.compile(r"(t|times?)([-_]coordinates?)?", re.IGNORECASE)
# A longer axis holds cells rather than components; a shorter one holds components rather than cells.
MOST_COMPONENTS = 9
FEWEST_CELLS = 5
LONGEST_LIST = 10**6
# A layout that scores less is none.
WORST = -1.0


@dataclass(frozen=True)
class Lists:
    """The small arrays that tell axes and times, by the name of their axis: [L], or [N, L] for each trajectory."""

    space: dict[str, ArrayInfo]
    time: ArrayInfo | None

    @property
    def all(self) -> tuple[ArrayInfo, ...]:
        return (*self.space.values(), *([self.time] if self.time else []))

    @property
    def axes(self) -> Words:
        return tuple(sorted(self.space, key=AXES.index))


@dataclass(frozen=True)
class PlacedArray:
    """An array and the words of its axes."""

    array: ArrayInfo
    words: Words

    @property
    def channels(self) -> int:
        return math.prod(length for word, length in self._lengths if word == CHANNEL)

    @property
    def constant(self) -> bool:
        return TIME not in self.words

    @property
    def _lengths(self) -> list[tuple[str, int]]:
        return list(zip(self.words, self.array.lengths, strict=True))

    @property
    def lengths(self) -> Lengths:
        """Of all but components."""
        return {word: length for word, length in self._lengths if word != CHANNEL}


@dataclass(frozen=True)
class InferredLayout:
    """What the arrays of a file are: fields on one grid, lists, parameters, and the rest."""

    axes: Words
    words: Words
    lengths: Lengths
    lists: Lists
    fields: tuple[PlacedArray, ...]
    scalars: tuple[ArrayInfo, ...]
    rest: tuple[ArrayInfo, ...]


def guess_of(listed: tuple[ArrayInfo, ...], where: str) -> InferredLayout:
    """Which array is what, from names and lengths alone; raises SourceError where no array is a field over time."""
    usable = [each for each in listed if each.fault is None and each.size]
    lists = _lists(usable)
    others = [each for each in usable if each not in lists.all]
    grouped = any(each.groups > 1 for each in others)
    axes, words, lengths = _most_telling(others, lists, grouped)
    if not axes:
        raise SourceError(_why_no_field(listed, where))
    placed = [(each, _fit(each, axes, words, lengths)) for each in others]
    fields = tuple(PlacedArray(each, fit) for each, fit in placed if fit)
    left = [each for each, fit in placed if not fit]
    scalars = tuple(each for each in left if _is_scalar(each, lengths))
    rest = (*(each for each in left if each not in scalars), *(each for each in listed if each not in usable))
    return InferredLayout(axes, words, lengths, lists, fields, scalars, rest)


def _why_no_field(listed: tuple[ArrayInfo, ...], where: str) -> str:
    faults = [f"{each.path} {each.fault}" for each in listed if each.fault]
    unread = f"; {len(faults)} of its arrays cannot be read, the first: {faults[0]}" if faults else ""
    return (
        f"{where}: no array looks like a field over time and space; expected one of 3 to 6 axes, such as [time, x, y], "
        f"or of [time, x] beside a list of times or coordinates; join files of one state each first{unread}"
    )


def _lists(usable: list[ArrayInfo]) -> Lists:
    named = [(each.path.rpartition("/")[2], each) for each in usable if 1 <= len(each.lengths) <= 2]
    short = [(name, each) for name, each in named if each.lengths[-1] > 1 and each.size <= LONGEST_LIST]
    space = {found[1].lower(): each for name, each in short if (found := AXIS_NAME.fullmatch(name))}
    time = next((each for name, each in short if TIME_NAME.fullmatch(name)), None)
    return Lists(space if len(space) <= 3 else {}, time)


def _most_telling(others: list[ArrayInfo], lists: Lists, grouped: bool) -> tuple[Words, Words, Lengths]:
    """Axes, words and lengths of the array whose layout most others fit: the largest may be tensor or staggered."""
    best: tuple[tuple[int, float, int], tuple[Words, Words, Lengths]] = ((0, 0.0, 0), ((), (), {}))
    for array in {each.lengths: each for each in others}.values():
        score, axes, words = _layout(array, lists, grouped)
        if not axes:
            continue
        lengths = PlacedArray(array, words).lengths
        fits = (_fit(each, axes, words, lengths) for each in others)
        key = (sum(TIME in fit for fit in fits), score, array.size)
        best = max(best, (key, (axes, words, lengths)), key=lambda found: found[0])
    return best[1]


def _layout(array: ArrayInfo, lists: Lists, grouped: bool) -> tuple[float, Words, Words]:
    """Score, axes and words of an array: of all orders that people use, the one that most speaks for; or no axes."""
    choices = [lists.axes] if lists.axes else [("x", "y"), ("x", "y", "z"), ("x",)]
    leads = ((), (TRAJECTORY,)) if not grouped else ((),)
    fewest = 2 if lists.all or grouped else 3
    best: tuple[float, Words, Words] = (WORST, (), ())
    for axes, lead, channels, early, order in product(choices, leads, (0, 1, 2), (False, True), (1, -1)):
        words = _in_order((*lead, TIME), axes[::order], channels, early)
        if len(words) == len(array.lengths) >= fewest:
            score = _score(list(zip(words, array.lengths, strict=True)), axes, lists)
            best = max(best, (score, axes, words), key=lambda found: found[0])
    return best


def _in_order(lead: Words, space: Words, channels: int, early: bool) -> Words:
    """Components before the axes of space, or behind them."""
    components = (CHANNEL,) * channels
    return (*lead, *components, *space) if early else (*lead, *space, *components)


def _score(named: list[tuple[str, int]], axes: Words, lists: Lists) -> float:
    """How much lengths speak for these names: matching lists most, then likely numbers of cells and components."""
    lengths = dict(named)
    score = _time_score(lengths, lists.time)
    score += sum(2.0 if each.lengths[-1] == lengths[axis] else -4.0 for axis, each in lists.space.items())
    cells = [lengths[axis] for axis in axes]
    # Most files are of two dimensions: a few cells more in common do not make a third.
    score += 0.3 * (len(axes) == 2)
    score += len(axes) * min(cells) / max(cells) / 2 - 2.0 * sum(length < FEWEST_CELLS for length in cells)
    components = [length for word, length in named if word == CHANNEL]
    if components:
        likely = set(components) == {len(axes)} if len(components) == 2 else components[0] <= MOST_COMPONENTS
        score += 1.0 if likely else -5.0
    return score


def _time_score(lengths: Lengths, time: ArrayInfo | None) -> float:
    if time is None:
        return 0.0
    # One time more than there are frames is a habit of generators.
    score = {0: 4.0, 1: 3.0}.get(time.lengths[-1] - lengths[TIME], -4.0)
    if len(time.lengths) == 2:
        score += 2.0 if time.lengths[0] == lengths.get(TRAJECTORY) else -2.0
    return score


def _fit(array: ArrayInfo, axes: Words, words: Words, lengths: Lengths) -> Words:
    """The words of another array on the same grid, as many of them as fit; empty where it is not on the grid."""
    space = tuple(word for word in words if word in axes)
    early = words.index(CHANNEL) < words.index(space[0]) if CHANNEL in words else False
    leads = [(TRAJECTORY, TIME), (TIME,), (TRAJECTORY,), ()]
    for lead, channels in product(leads, (0, 1, 2)):
        fit = _in_order(lead, space, channels, early)
        if len(fit) != len(array.lengths) or (TRAJECTORY in lead and TRAJECTORY not in words):
            continue
        if all(
            word == CHANNEL or lengths[word] == length
            for word, length in zip(fit, array.lengths, strict=True)
        ):
            return fit
    return ()


def _is_scalar(each: ArrayInfo, lengths: Lengths) -> bool:
    return each.lengths in ((), (1,)) or each.lengths == (lengths.get(TRAJECTORY),)
