"""Where every cell and token of an axis goes: strides, padding beyond a boundary, wrapping round a period.

Integers only. Two convolutions, of kernel 8 and 4, turn cells into tokens; their strides are the model's way
to spend the same number of tokens on any grid (arXiv 2511.15684, section 3.1: convolutional stride
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
    """One convolution and the transposed one that answers it, along one axis; the default leaves it alone.

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
    """One axis of the grid on its way to tokens.

    `pad` counts the cells added beyond the lower and upper boundary (zeros, flagged), `overlap` those repeated
    round the period. An axis of size 1 passes through untouched.
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
    """What the convolution next to the cells does along H, W and D."""
    return axes[0].first, axes[1].first, axes[2].first


def second_stages(axes: Axes) -> Stages:
    """What the convolution next to the tokens does along H, W and D."""
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
    """The two strides of the smallest product that leaves at most `target` tokens."""
    for product, strides in STRIDES.items():
        if size <= product * target:
            return strides
    raise MismatchError(
        f"model: an axis of {size} cells; expected at most {max(STRIDES)} x {target} tokens; "
        "coarsen the grid, or raise plane_tokens or volume_tokens"
    )


def plan_axis(size: int, sides: Sides, strides: Strides, jitter: bool, released: bool = False) -> Axis:
    """One axis with given strides."""
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
    # What a size lacks to be a multiple of the stride is padded above, under the same flag.
    return Axis(size, sides, first, second, pad=(pad, pad + -size % token))


def _wrapped(kernel: int, stride: int) -> Stage:
    """Every row exists once: borrow what the kernel overhangs, and on the way back the rows that reach in."""
    overhang = (kernel - stride) // 2
    unwrap = ceil(overhang / stride)
    return Stage(kernel, stride, overhang, unwrap, overhang + unwrap * stride)


def _overlapped(size: int, sides: Sides, strides: Strides) -> Axis:
    """A period that is no multiple of the stride: repeat as many cells as any token that reaches in can see."""
    token, margin = strides[0] * strides[1], _margin(strides)
    lower = margin + token * ceil(margin / token)
    upper = lower + -size % token
    if upper > size:
        raise MismatchError(
            f"model: a periodic axis of {size} cells; expected a multiple of {token}, or at least {upper}; regrid it"
        )
    first, second = Stage(FIRST_KERNEL, strides[0]), Stage(SECOND_KERNEL, strides[1])
    return Axis(size, sides, first, second, overlap=(lower, upper))


def _released(size: int, sides: Sides, strides: Strides) -> Axis:
    """As the release does: wrap the cells once, and each transposed convolution's own, already wrapped, input."""
    first, second = (
        Stage(kernel, stride, 0, (kernel - stride) // stride, (kernel - stride) // stride * stride)
        for kernel, stride in zip((FIRST_KERNEL, SECOND_KERNEL), strides, strict=True)
    )
    margin = _margin(strides)
    return Axis(size, sides, first, second, overlap=(margin, margin))


def _margin(strides: Strides) -> int:
    """How far a token sees beyond its own cells on each side."""
    return (FIRST_KERNEL - strides[0]) // 2 + strides[0] * (SECOND_KERNEL - strides[1]) // 2
