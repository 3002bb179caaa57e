"""The parts of a recipe that describe arrays: order of axes, times, coordinates, masks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Literal

import numpy as np
from pydantic import model_validator

from shards.schema import checked

# The letters of a layout next to the axes of space: trajectory, time, component or channel.
TRAJECTORY, TIME, CHANNEL = "n", "t", "c"
# An axis of blocks, which [blocks] joins; an axis of length 1, which is removed.
BLOCK, SINGLE_CELL = "b", "1"
# A time that is the number in the names of files, groups or arrays.
STEP_ITSELF = "{step}"
# An offset of times: the last time of the previous file of a run.
PREVIOUS_FILE = "previous"
# The file that counts if two files of a run hold different values at one time.
Overlap = Literal["refuse", "earlier", "later"]
# On which side of its cell a face is, in the order in which the axis is stored.
FacesSide = Literal["lower", "upper"]


def layout_fault(layout: str, axes: tuple[str, ...], *, constant: bool, blocks: bool = False) -> str | None:
    """What is wrong with a layout such as "n t x y c", if anything.

    >>> layout_fault("n t x", ("x", "y"), constant=False)
    "expected each of the axes ['x', 'y'] once"
    """
    words = layout.split()
    allowed = {TRAJECTORY, TIME, CHANNEL, SINGLE_CELL} | ({BLOCK} if blocks else set())
    if allowed & set(axes):
        return f"the axes {list(axes)} include one of the letters n, t, c; rename them"

    missing = [axis for axis in axes if words.count(axis) != 1]
    if missing:
        return f"expected each of the axes {list(axes)} once"

    unknown = [word for word in words if word not in (*axes, *allowed) and not swept_axis(word)]
    if unknown:
        return f"found {', '.join(unknown)}; expected n, t, c and the axes {list(axes)}"
    if words.count(TIME) > 1 or words.count(CHANNEL) > 2:
        return "expected t at most once, c at most twice"
    swept = [word for word in words if swept_axis(word) and word not in axes]
    if len(set(swept)) < len(swept) or (swept and TRAJECTORY in words):
        return "expected n1, n2, ... each once, and no other n"
    if TIME not in words and not constant:
        return "expected an axis t, the time"
    return None


def swept_axis(word: str) -> bool:
    """Whether a word of a layout is one of several axes of trajectories: n1, n2, ..."""
    return bool(re.fullmatch(f"{TRAJECTORY}[1-9]", word))


def numbered(words: Sequence[str]) -> tuple[str, ...]:
    """The words of a layout; if n is there several times, numbered in this order.

    >>> numbered(["n", "n", "t", "x"]), numbered(["n", "t", "x"])
    (('n1', 'n2', 't', 'x'), ('n', 't', 'x'))
    """
    if words.count(TRAJECTORY) < 2:
        return tuple(words)
    numbers = count(1)
    return tuple(f"{word}{next(numbers)}" if word == TRAJECTORY else word for word in words)


def layouts_fault(
    layouts: Iterable[tuple[str, str, bool]], axes: tuple[str, ...], *, blocks: bool
) -> str | None:
    """What is wrong with the layouts of a recipe, each with its owner and whether it may lack the time.

    >>> layouts_fault([("layout", "n n t x", False), ("layout of a", "n x", True)], ("x",), blocks=False)
    "layout of a 'n x': expected n1, n2 for one of several axes of trajectories"
    """
    stated = [each for each in layouts if each[1]]
    for owner, layout, constant in stated:
        fault = layout_fault(layout, axes, constant=constant, blocks=blocks)
        if fault:
            return f"{owner} {layout!r}: {fault}"
    named = {f"{owner} {layout!r}": {*numbered(layout.split())} - {*axes} for owner, layout, _ in stated}
    swept = sorted(filter(swept_axis, set().union(*named.values())))
    expected = [f"{TRAJECTORY}{number + 1}" for number in range(len(swept))]
    if swept != expected:
        return f"layouts name the axes {', '.join(swept)}; expected {', '.join(expected)}"
    for layout, words in named.items():
        if swept and TRAJECTORY in words:
            return f"{layout}: expected {', '.join(swept)} for one of several axes of trajectories"
    return None


def split_swept_axis(stored: str) -> tuple[str, str]:
    """The name and the axis of a `stored` list along one of several axes of trajectories.

    >>> split_swept_axis("nu[n2]"), split_swept_axis("params[1]")
    (('nu', 'n2'), ('params[1]', ''))
    """
    named = re.fullmatch(rf"(.+)\[({TRAJECTORY}[1-9])\]", stored, re.DOTALL)
    return (named[1], named[2]) if named else (stored, "")


def split_channel(stored: str) -> tuple[str, int | None]:
    """The path and the channel of a `stored` name of a recipe.

    >>> split_channel("solution[2]")
    ('solution', 2)
    """
    named = re.fullmatch(r"(.+)\[(\d+)\]", stored, re.DOTALL)
    return (named[1], int(named[2])) if named else (stored, None)


@checked
class TimeRule:
    """The times of frames: an array of the file, equal steps, or equal steps with the last frame at
    `stop`.
    """

    # An array, `path@attribute`, or `{step}`: the number in the names of files or groups, times `step` if
    # given.
    stored: str = ""
    # Added to the stored times: the number at a place, or the last time of the previous file.
    offset: str = ""
    start: float = 0.0
    # A number; or the place of one, as in [scalars], if runs have steps of their own.
    step: float | str | None = None
    stop: float | None = None
    unit: str = ""

    @model_validator(mode="after")
    def _one_rule(self) -> TimeRule:
        # An offset is for times of files; numbers in names count on by themselves.
        if self.offset and self.stored in ("", STEP_ITSELF):
            raise ValueError(f"offset {self.offset!r} is added to stored times; expected stored to name them")
        by_number = self.stored == STEP_ITSELF and self.stop is None
        given = [self.stored != "", self.step is not None, self.stop is not None]
        if not by_number and given.count(True) != 1:
            raise ValueError("expected one of stored, step and stop")
        if isinstance(self.step, float) and self.step <= 0:
            raise ValueError(f"step {self.step}: expected more than 0")
        if self.stop is not None and self.stop <= self.start:
            raise ValueError(f"stop {self.stop}: expected more than start {self.start}")
        return self

    def scaled(self, numbers: Iterable[float]) -> tuple[float, ...]:
        """The times of these numbers, which `stored` names.

        >>> TimeRule(stored="{step}", step=0.5).scaled([0, 10])
        (0.0, 5.0)
        """
        if self.step is None:
            return tuple(numbers)
        step = self._number
        return tuple(self.start + number * step for number in numbers)

    def times(self, frames: int) -> tuple[float, ...]:
        """The times [T] of a rule without an array.

        >>> TimeRule(start=1.0, step=0.5).times(3)
        (1.0, 1.5, 2.0)
        """
        if self.stop is not None:
            return tuple(np.linspace(self.start, self.stop, frames).tolist())
        return tuple((self.start + np.arange(frames) * self._number).tolist())

    @property
    def place(self) -> str:
        """The place of the step, as [scalars] names it; empty if the step is a number."""
        return self.step if isinstance(self.step, str) else ""

    @property
    def _number(self) -> float:
        # A place is replaced by the number of the run before times are counted.
        assert isinstance(self.step, float)
        return self.step


@checked
class CoordinateRule:
    """The cells of an axis: an array of the file, or equal cells from `lower` to `upper`."""

    stored: str = ""
    lower: float | None = None
    upper: float | None = None
    unit: str = ""

    @model_validator(mode="after")
    def _one_rule(self) -> CoordinateRule:
        given = [self.stored != "", self.lower is not None, self.upper is not None]
        if given not in ([True, False, False], [False, True, True]):
            raise ValueError("expected either stored, or lower and upper")
        if self.lower is not None and self.upper is not None and self.upper <= self.lower:
            raise ValueError(f"upper {self.upper}: expected more than lower {self.lower}")
        return self

    def centres(self, cells: int) -> tuple[float, ...]:
        """The cell centres [L] of a rule without an array.

        >>> CoordinateRule(lower=0.0, upper=2.0).centres(4)
        (0.25, 0.75, 1.25, 1.75)
        """
        assert self.lower is not None
        assert self.upper is not None
        width = (self.upper - self.lower) / cells
        return tuple((self.lower + (np.arange(cells) + 0.5) * width).tolist())


@checked
class BlockRule:
    """The positions of the blocks of a grid of one level.

    They are given by `places` (counted in blocks), by lower `corners` (in any unit), or by `centres` and
    `sizes`: arrays [block, axis] in the order x, y, z. Only blocks with `kinds` [block] 1 (not refined) are
    read, and their `levels` [block] must be equal. `children` [block] must be negative, because a block with
    children is refined.
    """

    places: str = ""
    corners: str = ""
    centres: str = ""
    sizes: str = ""
    levels: str = ""
    kinds: str = ""
    children: str = ""

    @model_validator(mode="after")
    def _one_way(self) -> BlockRule:
        given = [bool(self.places), bool(self.corners), bool(self.centres)]
        if given.count(True) != 1 or bool(self.centres) != bool(self.sizes):
            raise ValueError("expected one of places, corners, or centres and sizes")
        return self

    @property
    def positions(self) -> str:
        """The array that gives the positions of the blocks."""
        return self.places or self.corners or self.centres

    @property
    def stored(self) -> tuple[str, ...]:
        """The paths of all arrays of this rule."""
        named = (self.positions, self.sizes, self.levels, self.kinds, self.children)
        return tuple(path for path in named if path)


@checked
class TileRule:
    """The position of a tile in the grid, if each file `{tile}` holds one: attributes such as `@offset`.

    `offsets` is the first cell of the tile along each stored axis, `cells` the number of cells of the whole
    grid.
    """

    offsets: str
    cells: str

    @model_validator(mode="after")
    def _are_attributes(self) -> TileRule:
        if "@" not in self.offsets or "@" not in self.cells:
            raise ValueError('expected attributes, such as offsets = "@offset" and cells = "@dims"')
        return self


@checked
class MaskRule:
    """The solid cells: an array, and its values in these cells.

    If a mask changes in time, a cell that is solid in any frame is solid. For `nan` only the first frame is
    read, because a run may fail later; with `moves` (a moving body) all frames are read.
    """

    stored: str
    solid: Literal["nonzero", "zero", "negative", "positive", "nan"]
    layout: str = ""
    moves: bool = False

    @property
    def is_next_to_the_data(self) -> bool:
        """Whether the array is an npy file next to the data (docs/decisions/0161)."""
        return self.stored.endswith(".npy")

    @model_validator(mode="after")
    def _only_nan_may_move(self) -> MaskRule:
        if self.moves and self.solid != "nan":
            raise ValueError(f'moves = true with solid = "{self.solid}"; expected "nan"; remove moves')
        return self
