"""Infers the layout of a file without names of dimensions, from lists of times and coordinates, and from
lengths.

All usual orders of axes get a score, and the best one is taken. If no list, series or counter shows which
axis is time, the result is only a proposal.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from ingest.inspecting.axis_names import COUNTER_NAME, SPACE_NAMES, TIME_NAME, space_name
from ingest.inspecting.contents import ArrayInfo
from ingest.inspecting.inferred_layout import CoordinateLists, InferredLayout, Lengths, PlacedArray, Words
from ingest.layout import CHANNEL, TIME, TRAJECTORY

# A longer axis is more likely of cells, a shorter one of components.
MOST_COMPONENTS = 9
MOST_CHANNELS = 256
FEWEST_CELLS = 5
LONGEST_LIST = 10**6
# A layout with a lower score is refused.
WORST = -1.0
# Another order is reported if its score is at most this much lower.
NEARLY = 3.0
CHANNEL_FIRST = (TRAJECTORY, CHANNEL, TIME)
# Arrays with these names hold several fields, so their channels are not a vector.
STACKS = ("data", "solution", "fields", "state", "output", "q", "prim", "cons")
# Attributes that count frames.
COUNTERS = re.compile(
    r"n_?t|n(um)?_?(frames|steps|timesteps|snapshots|times|outputs)|time_?steps|writes|T", re.IGNORECASE
)


@dataclass(frozen=True)
class _Candidate:
    """One possible order of the axes of an array, and its score."""

    score: float
    axes: Words
    words: Words


def layout_by_lengths(
    usable: list[ArrayInfo], numbers: Mapping[str, float], cells: tuple[int, ...] = ()
) -> InferredLayout | None:
    """The layout that fits most arrays; None if no array is a field.

    `numbers` are attributes of the file, and `cells` the lengths of a grid that an attribute states.
    """
    lists = replace(_lists(usable), cells=cells)
    others = [each for each in usable if each not in lists.all and each.lengths]
    best = _most_telling(others, lists)
    if best is None:
        return None

    model, candidate = best
    lengths = PlacedArray(model, candidate.words).lengths
    fields, left, on_faces = [], [], []

    for each in usable:
        words = () if each in lists.all or _is_third_mesh(each, lists) else _fit(each, candidate, lengths)
        if words:
            fields.append(PlacedArray(each, words))
        elif each not in lists.all:
            faces = _on_faces(each, candidate, lengths)
            if faces is None:
                left.append(each)
            else:
                on_faces.append(faces)

    scalars = tuple(each for each in left if each.lengths in ((), (1,), (lengths.get(TRAJECTORY),)))
    rest = tuple(each for each in left if each not in scalars)
    axes_from = "From the lengths of the coordinates." if lists.space else ""
    stored_cells = tuple(lengths[word] for word in candidate.words if word in candidate.axes)
    if not axes_from and cells == stored_cells:
        axes_from = "From the numbers of cells that the file states."
    time_from = _time_from(model, candidate, lengths, lists, numbers)
    return InferredLayout(
        candidate.axes,
        candidate.words,
        lengths,
        lists,
        tuple(fields),
        scalars,
        rest,
        axes_from,
        time_from,
        other_orders=_other_orders(model, candidate, lists),
        on_faces=tuple(on_faces),
    )


def _lists(usable: list[ArrayInfo]) -> CoordinateLists:
    """The lists of coordinates and times, found by their names; columns and meshgrids count as lists."""
    space: dict[str, ArrayInfo] = {}
    time = None
    grids = Counter(each.values for each in usable if space_name(each.path.rpartition("/")[2]))
    lengths = Counter(each.lengths for each in usable)

    for each in usable:
        last = each.path.rpartition("/")[2]
        if not 1 <= len(each.values) <= 3 or each.size > LONGEST_LIST:
            continue
        # T is a temperature if another array has the same shape, or ends with its axes.
        as_large = len(each.values) > 1 and (lengths[each.lengths] > 1 or _is_a_part(each, usable))
        is_time = TIME_NAME.fullmatch(each.name) or each.is_dates
        if is_time and len(each.values) <= 2 and not as_large:
            if each.size == 1 and not each.pattern:
                continue
            if time is None or COUNTER_NAME.fullmatch(time.name) or time.is_dates:
                time = each
        elif (
            space_name(last)
            and each.size > 1
            and (len(each.values) < 2 or grids[each.values] > 1 or last in "xyz")
        ):
            space.setdefault(space_name(last), each)

    ordered = {axis: space[axis] for axis in sorted(space, key=SPACE_NAMES.index)}
    # A plane has no third axis, although PLUTO stores its coordinates.
    meshes = [axis for axis, each in ordered.items() if len(each.values) > 1]
    for axis in meshes[len(ordered[meshes[0]].values) :] if meshes else []:
        del ordered[axis]
    return CoordinateLists(ordered if len(space) <= 3 else {}, time)


def _is_a_part(each: ArrayInfo, others: list[ArrayInfo]) -> bool:
    """Whether another array ends with the axes of this one, as u [2, x, y] ends with those of T [x, y]."""
    axes = len(each.lengths)
    ends = {other.lengths[-axes:] for other in others if len(other.lengths) > axes}
    begins = {other.lengths[:axes] for other in others if len(other.lengths) > axes}
    return each.lengths in ends and each.lengths not in begins


def _is_third_mesh(each: ArrayInfo, lists: CoordinateLists) -> bool:
    """Whether it is the third coordinate of a plane, in the group of the other coordinates."""
    group = each.path.rpartition("/")[0]
    meshes = [one.path.rpartition("/")[0] for one in lists.space.values() if len(one.values) > 1]
    return bool(group) and group in meshes and space_name(each.name) != ""


def _most_telling(others: list[ArrayInfo], lists: CoordinateLists) -> tuple[ArrayInfo, _Candidate] | None:
    """The array with the layout that fits most others, which is not always the largest, and this layout."""
    best = None
    best_key: tuple[int, float, int] = (0, 0.0, 0)
    for array in {each.lengths: each for each in others}.values():
        candidate = _best_candidate(array, lists)
        if candidate is None:
            continue
        lengths = PlacedArray(array, candidate.words).lengths
        fitting = sum(_fits(each, candidate, lengths) for each in others)
        key = (fitting, candidate.score, array.size)
        if key > best_key:
            best, best_key = (array, candidate), key
    return best


def _best_candidate(array: ArrayInfo, lists: CoordinateLists) -> _Candidate | None:
    """The order of axes with the highest score; None if every score is too low."""
    grouped = array.groups > 1 or bool(array.pattern)
    fewest = 2 if lists.all or grouped else 3
    best = None
    for axes, words in _orders(array, lists):
        if len(words) != len(array.lengths) or len(words) < fewest:
            continue
        score = _score(array, words, axes, lists)
        if score > (best.score if best else WORST):
            best = _Candidate(score, axes, words)
    return best


def _orders(array: ArrayInfo, lists: CoordinateLists) -> Iterator[tuple[Words, Words]]:
    """Yields the axes of space and the names of all axes, in all usual orders, most usual first."""
    choices = [lists.axes] if lists.axes else [("x", "y"), ("x", "y", "z"), ("x",)]
    one_run = array.groups > 1 or bool(array.pattern)
    leads: list[Words] = [()] if one_run else [(), (TRAJECTORY,)]
    for axes, lead, channels, early, step in product(choices, leads, (0, 1, 2), (False, True), (1, -1)):
        yield axes, _in_order((*lead, TIME), axes[::step], channels, components_first=early)
    if not array.pattern:
        for axes, lead, step in product(choices, leads, (1, -1)):
            yield axes, (*lead, *axes[::step], TIME)
    if not one_run:
        # Batches of videos, as networks take them.
        for axes, step in product(choices, (1, -1)):
            yield axes, (*CHANNEL_FIRST, *axes[::step])


def _other_orders(array: ArrayInfo, chosen: _Candidate, lists: CoordinateLists) -> tuple[str, ...]:
    """Orders that are nearly as likely, each with what it would mean; x and y may always change places.

    docs/decisions/0155-what-else-a-draft-could-say.md
    """
    if lists.space or array.pattern or array.groups > 1 or len(array.lengths) < 4:
        return ()
    found: dict[Words, float] = {}
    # Runs may also come last, as MATLAB and neural operators store them.
    last = [(axes, (*axes, TIME, TRAJECTORY)) for axes in (("x", "y"), ("x", "y", "z"))]
    for axes, words in (*_orders(array, lists), *last):
        kinds = tuple("" if word in axes else word for word in words)
        if len(words) != len(array.lengths) or words == chosen.words:
            continue
        score = _score(array, words, axes, lists)
        known = tuple("" if word in chosen.axes else word for word in chosen.words)
        alike = any(tuple("" if w in "xyz" else w for w in each) == kinds for each in found)
        if score > max(WORST, chosen.score - NEARLY) and kinds != known and not alike:
            found[words] = score
    best = sorted(found, key=lambda words: -found[words])[:3]
    return tuple(f'"{" ".join(words)}": {_meaning(words, array.lengths)}' for words in best)


def _meaning(words: Words, lengths: tuple[int, ...]) -> str:
    """What an order says of an array.

    >>> _meaning(("n", "c", "t", "x", "y"), (6, 3, 9, 16, 24))
    '6 trajectories, 3 channels, 9 frames, x 16, y 24'
    """
    names = {TRAJECTORY: "trajectories", CHANNEL: "channels", TIME: "frames"}
    pairs = zip(words, lengths, strict=True)
    return ", ".join(f"{n} {names[word]}" if word in names else f"{word} {n}" for word, n in pairs)


def _in_order(lead: Words, space: Words, channels: int, *, components_first: bool) -> Words:
    """The names of all axes, with components before or after the axes of space."""
    components = (CHANNEL,) * channels
    return (*lead, *components, *space) if components_first else (*lead, *space, *components)


def _score(array: ArrayInfo, words: Words, axes: Words, lists: CoordinateLists) -> float:
    """The score of these names: lists count most, then likely numbers of cells and components."""
    lengths = PlacedArray(array, words).lengths
    score = _time_score(array, words, lengths, lists.time)
    score += sum(_list_score(each, axis, lengths) for axis, each in lists.space.items())
    cells = [lengths[axis] for axis in axes]
    # Most files have two dimensions, so a third one needs more evidence.
    if len(axes) == 2:
        score += 0.3
    elif len(axes) == 1 and not lists.space and len(words) > 2:
        score -= 1.5
    if lists.cells and sorted(cells) == sorted(lists.cells):
        score += 2.0
    score += len(axes) * min(cells) / max(cells) / 2 - 2.0 * sum(length < FEWEST_CELLS for length in cells)
    components = [length for word, length in zip(words, array.lengths, strict=True) if word == CHANNEL]
    if components:
        likely = components[0] <= MOST_COMPONENTS
        if len(components) == 2:
            likely = set(components) == {len(axes)}
        elif array.name.lower() in STACKS and len(axes) > 1 and words[words.index(CHANNEL) - 1] == TIME:
            likely = components[0] <= MOST_CHANNELS
        score += 1.0 if likely else -5.0
    if words[:3] == CHANNEL_FIRST:
        score -= 0.3
    elif words[:3] == (TRAJECTORY, TIME, CHANNEL) and components[0] > lengths[TIME]:
        score -= 1.0
    return score


def _time_score(array: ArrayInfo, words: Words, lengths: Lengths, time: ArrayInfo | None) -> float:
    """The score for the length of a list of times, and for an unlimited axis."""
    score = 0.0
    if len(array.unlimited) == 1 and not array.pattern:
        score += 3.0 if words[array.unlimited[0]] == TIME else -3.0
    if words[-1] == TIME:
        # An unusual order needs more evidence.
        score -= 1.0
    if time is None:
        return score
    # Some generators store one time more than there are frames; equal numbers are more usual.
    score += {0: 4.0, 1: 2.5}.get(_length(time) - lengths[TIME], -4.0)
    if len(time.values) == 2 and not time.pattern:
        score += 2.0 if time.values[0] == lengths.get(TRAJECTORY) else -2.0
    return score


def _list_score(each: ArrayInfo, axis: str, lengths: Lengths) -> float:
    """The score for a list with the length of its axis; a meshgrid has the lengths of all stored axes."""
    cells = tuple(length for word, length in lengths.items() if word not in (TIME, TRAJECTORY))
    if len(each.values) > 1 and each.values[-len(cells) :] == cells:
        return 2.0
    return 2.0 if _length(each) == lengths[axis] else -4.0


def _length(each: ArrayInfo) -> int:
    """The length of a list, or of one of the lists of several trajectories."""
    return each.values[0] if len(each.values) == 1 else each.values[-1]


def _fit(array: ArrayInfo, candidate: _Candidate, lengths: Lengths) -> Words:
    """The names of the axes of another array on the same grid; empty if it is not on the grid."""
    words = candidate.words
    space = tuple(word for word in words if word in candidate.axes)
    if words[-1] == TIME:
        choices: list[Words] = [words, (*space, TIME), space]
    elif words[:3] == CHANNEL_FIRST:
        choices = [words, (TRAJECTORY, TIME, *space), (TIME, *space), (TRAJECTORY, *space), space]
    else:
        early = CHANNEL in words and words.index(CHANNEL) < words.index(space[0])
        leads: list[Words] = [(TRAJECTORY, TIME), (TIME,), (TRAJECTORY,), ()]
        counts = product(leads, (0, 1, 2))
        choices = [_in_order(lead, space, count, components_first=early) for lead, count in counts]

    for fit in choices:
        if len(fit) != len(array.lengths) or (TRAJECTORY in fit and TRAJECTORY not in words):
            continue
        if array.pattern and fit[0] != TIME:
            continue
        pairs = zip(fit, array.lengths, strict=True)
        if all(word == CHANNEL or lengths[word] == length for word, length in pairs):
            return fit

    return ()


def _fits(array: ArrayInfo, candidate: _Candidate, lengths: Lengths) -> bool:
    """Whether the array changes in time on this grid, or on the faces of its cells."""
    in_cells = TIME in _fit(array, candidate, lengths)
    return in_cells or _on_faces(array, candidate, lengths) is not None


def _on_faces(array: ArrayInfo, candidate: _Candidate, lengths: Lengths) -> PlacedArray | None:
    """The array as one on the faces of the cells, with one value more along one axis; otherwise None."""
    for axis in candidate.axes:
        words = _fit(array, candidate, lengths | {axis: lengths[axis] + 1})
        if TIME in words and axis in words:
            return PlacedArray(array, words, faces=axis)
    return None


def _time_from(
    model: ArrayInfo,
    candidate: _Candidate,
    lengths: Lengths,
    lists: CoordinateLists,
    numbers: Mapping[str, float],
) -> str:
    """The reason why the axis t is time; empty if there is none."""
    if model.pattern:
        return "a state for each number in the names"
    if lists.time is not None and _length(lists.time) - lengths[TIME] in (0, 1):
        return f"the list of times {lists.time.path}"
    if model.unlimited == (candidate.words.index(TIME),):
        return "the axis that may grow"
    counter = next(
        (name for name, value in numbers.items() if COUNTERS.fullmatch(name) and value == lengths[TIME]), ""
    )
    return f"the attribute {counter}" if counter else ""
