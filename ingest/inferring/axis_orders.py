"""The usual orders of the axes of an array, and how well each fits: what the file shows, and what is usual.

docs/decisions/0145
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product

from ingest.contents.listing import ArrayInfo
from ingest.inferring.inferred_layout import CoordinateLists, Lengths, PlacedArray, Words, is_trajectory
from ingest.layout import CHANNEL, SINGLE_CELL, TIME, TRAJECTORY

# A longer axis is more likely of cells, a shorter one of components.
MOST_COMPONENTS = 9
MOST_CHANNELS = 256
FEWEST_CELLS = 5
CHANNEL_FIRST = (TRAJECTORY, CHANNEL, TIME)
# Two and three axes of trajectories, as sweeps have them.
SWEEPS: tuple[Words, ...] = (("n1", "n2"), ("n1", "n2", "n3"))
# Arrays with these names hold several fields, so their channels are not a vector.
STACKS = ("data", "solution", "fields", "state", "output", "q", "prim", "cons")
# Names of arrays with the components of one vector.
VECTOR_NAME = re.compile(
    r"vel(ocit(y|ies))?|winds?|uvw?p?|mom(entum)?|b(_?field)?|magnetic_?field", re.IGNORECASE
)


@dataclass(frozen=True)
class AxisOrder:
    """One possible order of the axes of an array: what lists of the file show, and what is usual."""

    axes: Words
    words: Words
    shown: float
    usual: float

    @property
    def score(self) -> float:
        return self.shown + self.usual


def orders_of(
    array: ArrayInfo, lists: CoordinateLists, more: Iterable[tuple[Words, Words]] = ()
) -> Iterator[AxisOrder]:
    """Yields the orders with as many axes as the array, the most usual first; `more` are other orders, as
    the axes of space and all words.
    """
    seen = set()
    for axes, words in (*_orders(array, lists), *more, *_with_single_cells(array, lists)):
        if len(words) == len(array.lengths) and words not in seen and not _is_single(array, words, axes):
            seen.add(words)
            yield AxisOrder(axes, words, _shown(array, words, axes, lists), _usual(array, words, axes, lists))


def with_channels(lead: Words, space: Words, channels: int, early: bool) -> Words:
    """The names of all axes, with components before (`early`) or after the axes of space."""
    components = (CHANNEL,) * channels
    return (*lead, *components, *space) if early else (*lead, *space, *components)


def _orders(array: ArrayInfo, lists: CoordinateLists) -> Iterator[tuple[Words, Words]]:
    """Yields the axes of space and the names of all axes, in all usual orders, most usual first."""
    choices = [lists.axes] if lists.axes else [("x", "y"), ("x", "y", "z"), ("x",)]
    one_run = array.groups > 1 or bool(array.pattern)
    leads: list[Words] = [()] if one_run else [(), (TRAJECTORY,)]
    for axes, lead, channels, early, step in product(choices, leads, (0, 1, 2), (False, True), (1, -1)):
        yield axes, with_channels((*lead, TIME), axes[::step], channels, early)
    if not array.pattern:
        for axes, lead, step in product(choices, leads, (1, -1)):
            yield axes, (*lead, *axes[::step], TIME)
    if array.groups > 1:
        yield from ((axes, (CHANNEL, TIME, *axes[::step])) for axes, step in product(choices, (1, -1)))
    if not one_run:
        yield from _rare_orders(array, lists, choices)


def _rare_orders(
    array: ArrayInfo, lists: CoordinateLists, choices: list[Words]
) -> Iterator[tuple[Words, Words]]:
    """Yields the orders of batches of videos, as networks take them, of sweeps, and of samples of MATLAB."""
    has_parameters = any(each.values[0] in array.lengths for each in lists.parameters)
    sweeps = SWEEPS if has_parameters or not (is_stack(array) or VECTOR_NAME.fullmatch(array.name)) else ()
    leads: list[Words] = [CHANNEL_FIRST, *((*sweep, TIME) for sweep in sweeps)]
    if is_stack(array):
        # One run with the channels first.
        leads.append((CHANNEL, TIME))
    if sweeps or array.lengths[:1] == array.lengths[1:2]:
        # Rollouts of a batch, as loops over time stack them.
        leads += [(TIME, TRAJECTORY), (TIME, TRAJECTORY, CHANNEL)]
    for lead, axes, step in product(leads, choices, (1, -1)):
        yield axes, (*lead, *axes[::step])
    for lead, axes, step in product(sweeps, choices, (1, -1)):
        yield axes, (*lead, *axes[::step], TIME)
    has_many_last = bool(array.lengths) and array.lengths[-1] > 2 * max(array.lengths[:-1], default=0)
    if has_many_last or is_of_matlab(array):
        # Samples as MATLAB orders them: HDF5 has the axes of its arrays in reverse.
        for axes in choices:
            yield axes, (TIME, *axes[::-1], TRAJECTORY)


def _with_single_cells(array: ArrayInfo, lists: CoordinateLists) -> Iterator[tuple[Words, Words]]:
    """Yields the orders of an array without its axes of length 1, with the word of a single cell for them."""
    shape = array.shape or ()
    if 1 not in shape:
        return
    flat = replace(array, shape=tuple(length for length in shape if length > 1))
    for axes, words in _orders(flat, lists):
        if len(words) == len(flat.lengths):
            left = iter(words)
            yield axes, tuple(SINGLE_CELL if length == 1 else next(left) for length in array.lengths)


def _is_single(array: ArrayInfo, words: Words, axes: Words) -> bool:
    """Whether an axis of space, or an unusual axis of trajectories, has the length 1: it is as well a
    component.
    """
    pairs = tuple(zip(words, array.lengths, strict=True))
    if any(length == 1 and word in axes for word, length in pairs):
        return True
    return any(length == 1 and is_trajectory(word) for word, length in pairs[words[0] != "n1" :])


def is_of_matlab(array: ArrayInfo) -> bool:
    """Whether MATLAB wrote an array: HDF5 then holds its axes in reverse order."""
    return "MATLAB_class" in array.attributes


def is_stack(array: ArrayInfo) -> bool:
    """Whether an array holds several fields, as its name or a list of channels says."""
    return array.name.lower() in STACKS or len(array.channels) > 1


def _shown(array: ArrayInfo, words: Words, axes: Words, lists: CoordinateLists) -> float:
    """What lists of times, coordinates and parameters show, an unlimited axis, and stated cells."""
    lengths = PlacedArray(array, words).lengths
    score = _time_score(array, words, lengths, lists.time)
    score += sum(_list_score(each, axis, lengths) for axis, each in lists.space.items())
    swept = {each.values[0] for each in lists.parameters}
    score += sum(3.0 for word, length in lengths.items() if is_trajectory(word) and length in swept)
    if array.has_runs_first:
        score += 4.0 if is_trajectory(words[0]) else -4.0
    cells = [lengths[axis] for axis in axes]
    if lists.cells and sorted(cells) == sorted(lists.cells):
        score += 2.0
    if array.channels and words.count(CHANNEL) == 1:
        score += 2.0 if array.lengths[words.index(CHANNEL)] == len(array.channels) else 0.0
    return score


def _usual(array: ArrayInfo, words: Words, axes: Words, lists: CoordinateLists) -> float:
    """What is usual: numbers of dimensions, cells and components, places of time and channels."""
    placed = PlacedArray(array, words)
    lengths, components = placed.lengths, placed.components
    cells = [lengths[axis] for axis in axes]
    score = len(axes) * min(cells) / max(cells) / 2 - 2.0 * sum(length < FEWEST_CELLS for length in cells)
    # Most files have two dimensions, so a third one needs more evidence.
    if len(axes) == 2:
        score += 0.3
    elif len(axes) == 1 and not lists.space and len(words) > 2:
        score -= 1.5
    if len(axes) == 3 and array.lengths in lists.volumes:
        # As three components show it.
        score += 3.0
    if words[-1] == TIME:
        # An unusual order needs more evidence.
        score -= 1.0
    elif words[-1] == TRAJECTORY:
        score += 1.2 if is_of_matlab(array) else -0.5
    if components:
        score += _usual_components(placed, axes)
    if words[:3] == CHANNEL_FIRST:
        score -= 0.3
    elif words[:2] == (CHANNEL, TIME):
        score -= 1.5
    elif words[:3] == (TRAJECTORY, TIME, CHANNEL) and components[0] > lengths[TIME]:
        score -= 1.0
    elif words[:2] == (TIME, TRAJECTORY):
        # As many as axes are rather the components of a vector; runs of a sweep are rather first.
        is_swept = lengths[TRAJECTORY] == lengths[TIME] and bool(lists.parameters)
        score -= 3.5 if is_swept or lengths[TRAJECTORY] == len(axes) else 1.5
    return score


def _usual_components(placed: PlacedArray, axes: Words) -> float:
    """The score for the numbers of components: few are usual, many only in an array of several fields."""
    array, words, components = placed.array, placed.words, placed.components
    if len(components) == 2:
        return 1.0 if placed.may_be_tensor(axes) else -5.0
    if components[0] <= MOST_COMPONENTS or components[0] == len(array.channels):
        return 1.0
    is_stacked = is_stack(array) and len(axes) > 1 and words[words.index(CHANNEL) - 1] == TIME
    if not is_stacked or components[0] > MOST_CHANNELS:
        return -5.0
    # An array in a file of numpy has no name but `data`: its many channels may as well be frames.
    return -0.5 if array.name == "data" else 1.0


def _time_score(array: ArrayInfo, words: Words, lengths: Lengths, time: ArrayInfo | None) -> float:
    """The score for the length of a list of times, and for an unlimited axis."""
    score = 0.0
    if len(array.unlimited) == 1 and not array.pattern:
        score += 3.0 if words[array.unlimited[0]] == TIME else -3.0
    if time is None:
        return score
    # Some generators store one time more than there are frames; equal numbers are more usual.
    score += {0: 4.0, 1: 2.5}.get(length_of(time) - lengths[TIME], -4.0)
    if len(time.values) == 2 and not time.pattern:
        runs = [length for word, length in lengths.items() if is_trajectory(word)]
        score += 2.0 if time.values[0] in runs else -2.0
    return score


def _list_score(each: ArrayInfo, axis: str, lengths: Lengths) -> float:
    """The score for the length of a list; a meshgrid has the lengths of all stored axes."""
    cells = tuple(length for word, length in lengths.items() if word != TIME and not is_trajectory(word))
    if len(each.values) > 1 and each.values[-len(cells) :] == cells:
        return 2.0
    # A list with one value more may be of the edges of the cells.
    return {0: 2.0, 1: 0.0}.get(length_of(each) - lengths[axis], -4.0)


def length_of(listed: ArrayInfo) -> int:
    """The length of a list, or of one of the lists of several trajectories."""
    return listed.values[0] if len(listed.values) == 1 else listed.values[-1]
