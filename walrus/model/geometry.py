"""Geometry of each axis: strides, padding beyond a boundary, wrapping round a period.

Integers only. Two convolutions, of kernel 8 and 4, turn cells into tokens; their strides are chosen so that
any grid gets about the same number of tokens (arXiv 2511.15684, section 3.1: convolutional stride
modulation).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from shards.errors import MismatchError
from shards.schema import Boundary, Sides
from walrus.model.settings import ModelSettings

FIRST_KERNEL = 8
SECOND_KERNEL = 4
STRIDES = {4: (2, 2), 8: (4, 2), 12: (6, 2), 16: (4, 4), 24: (6, 4), 32: (8, 4)}

Boundaries = tuple[Sides, Sides, Sides]
Strides = tuple[int, int]
Patching = tuple[Strides, Strides, Strides]


@dataclass(frozen=True)
class Stage:
    """One convolution and its transposed counterpart along one axis; the default changes nothing.

    `wrap` rows are borrowed round the period on each side before the convolution; `unwrap` rows before the
    transposed one, which then drops `crop` rows on each side.
    """

    kernel: int = 1
    stride: int = 1
    wrap: int = 0
    unwrap: int = 0
    crop: int = 0

    def rows(self, cells: int) -> int:
        return (cells + 2 * self.wrap - self.kernel) // self.stride + 1


@dataclass(frozen=True)
class Axis:
    """One axis of the grid, and how it is turned into tokens.

    `pad` counts the cells added beyond the lower and upper boundary (zeros, flagged), `overlap` the cells
    repeated round the period. An axis of size 1 stays as it is.
    """

    size: int
    sides: Sides
    first: Stage = Stage()
    second: Stage = Stage()
    pad: tuple[int, int] = (0, 0)
    overlap: tuple[int, int] = (0, 0)

    @property
    def periodic(self) -> bool:
        return self.sides[0] == Boundary.PERIODIC

    @property
    def stride(self) -> int:
        return self.first.stride * self.second.stride

    @property
    def cells(self) -> int:
        return self.size + sum(self.pad) + sum(self.overlap)

    @property
    def tokens(self) -> int:
        return self.second.rows(self.first.rows(self.cells))


Axes = tuple[Axis, Axis, Axis]
Stages = tuple[Stage, Stage, Stage]


def first_stages(axes: Axes) -> Stages:
    """The convolution next to the cells, along H, W and D."""
    return axes[0].first, axes[1].first, axes[2].first


def second_stages(axes: Axes) -> Stages:
    """The convolution next to the tokens, along H, W and D."""
    return axes[0].second, axes[1].second, axes[2].second


def plan_axes(
    settings: ModelSettings,
    shape: tuple[int, int, int],
    boundaries: Boundaries,
    jitter: bool,
    patching: Patching | None = None,
) -> Axes:
    """The three axes of a grid (H, W, D); `jitter` asks for room to shift a bounded axis by half a token.

    `patching` gives the strides of each axis, by default those of the table.
    Raises MismatchError where a grid is too large for the strides, or too small to wrap.
    """
    chosen = patching_of(settings, shape) if patching is None else patching
    height, width, depth = (
        plan_axis(size, sides, strides, jitter, settings.released_seams)
        for size, sides, strides in zip(shape, boundaries, chosen, strict=True)
    )
    return height, width, depth


def patching_of(settings: ModelSettings, shape: tuple[int, int, int]) -> Patching:
    """The strides of each axis by the table; raises MismatchError where the grid is too large for it."""
    target = settings.volume_tokens if min(shape) > 1 else settings.plane_tokens
    height, width, depth = (choose_strides(size, target) for size in shape)
    return height, width, depth


def choose_strides(size: int, target: int) -> Strides:
    """The two strides of the smallest product that leaves at most `target` tokens.

    >>> choose_strides(256, target=32), choose_strides(384, target=32)
    ((4, 2), (6, 2))
    """
    for product, strides in STRIDES.items():
        if size <= product * target:
            return strides
    raise MismatchError(
        f"model: an axis of {size} cells; expected at most {max(STRIDES)} x {target} tokens; "
        "coarsen the grid, or raise plane_tokens or volume_tokens"
    )


def plan_axis(size: int, sides: Sides, strides: Strides, jitter: bool, released: bool = False) -> Axis:
    """One axis with given strides.

    >>> walls = plan_axis(256, (Boundary.WALL, Boundary.WALL), (4, 2), jitter=True)
    >>> walls.pad, walls.tokens
    ((10, 10), 33)
    >>> plan_axis(256, (Boundary.PERIODIC, Boundary.PERIODIC), (4, 2), jitter=True).tokens
    32
    """
    if size == 1:
        return Axis(size, sides)
    if Boundary.PERIODIC not in sides:
        return _bounded(size, sides, strides, jitter)
    if sides[0] != sides[1]:
        raise MismatchError(f"model: boundary {sides} is periodic on one side only; a period has two ends")
    if released:
        return _released(size, sides, strides)
    if size % (strides[0] * strides[1]):
        return _overlapped(size, sides, strides)
    first, second = _wrapped(FIRST_KERNEL, strides[0]), _wrapped(SECOND_KERNEL, strides[1])
    return Axis(size, sides, first, second)


def _bounded(size: int, sides: Sides, strides: Strides, jitter: bool) -> Axis:
    token = strides[0] * strides[1]
    pad = _margin(strides) + (token // 2 if jitter else 0)
    first, second = Stage(FIRST_KERNEL, strides[0]), Stage(SECOND_KERNEL, strides[1])
    # A size that is no multiple of the stride gets more padding above, under the same flag.
    return Axis(size, sides, first, second, pad=(pad, pad + -size % token))


def _wrapped(kernel: int, stride: int) -> Stage:
    """A stage of a period: both ways it borrows the rows that reach in from beyond each end."""
    overhang = (kernel - stride) // 2
    unwrap = ceil(overhang / stride)
    return Stage(kernel, stride, overhang, unwrap, overhang + unwrap * stride)


def _overlapped(size: int, sides: Sides, strides: Strides) -> Axis:
    """A period that is no multiple of the stride: repeat all cells that a token which reaches in can see."""
    token, margin = strides[0] * strides[1], _margin(strides)
    lower = margin + token * ceil(margin / token)
    upper = lower + -size % token
    if upper > size:
        raise MismatchError(
            f"model: a periodic axis of {size} cells; expected a multiple of {token}, or at least {upper}; "
            "regrid it"
        )
    first, second = Stage(FIRST_KERNEL, strides[0]), Stage(SECOND_KERNEL, strides[1])
    return Axis(size, sides, first, second, overlap=(lower, upper))


def _released(size: int, sides: Sides, strides: Strides) -> Axis:
    """As in the release: wrap the cells once, and again the input of each transposed convolution."""
    first, second = (
        Stage(kernel, stride, 0, (kernel - stride) // stride, (kernel - stride) // stride * stride)
        for kernel, stride in zip((FIRST_KERNEL, SECOND_KERNEL), strides, strict=True)
    )
    margin = _margin(strides)
    return Axis(size, sides, first, second, overlap=(margin, margin))


def _margin(strides: Strides) -> int:
    """Cells that a token sees beyond its own on each side."""
    return (FIRST_KERNEL - strides[0]) // 2 + strides[0] * (SECOND_KERNEL - strides[1]) // 2
