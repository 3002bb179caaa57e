"""Geometry of each axis, in whole numbers: strides, padding beyond a boundary, wrapping around a period.

Two convolutions, with kernels of 8 and 4 cells, make tokens from cells. Their strides depend on the size of
the grid, so that all grids have about the same number of tokens (arXiv 2511.15684, section 3.1: convolutional
stride modulation).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from shards.errors import MismatchError
from shards.schema import Boundary, Sides
from walrus.model.settings import ModelSettings

FIRST_KERNEL = 8
SECOND_KERNEL = 4
# Cells per token, and the strides of the two convolutions whose product that is.
STRIDES = {4: (2, 2), 8: (4, 2), 12: (6, 2), 16: (4, 4), 24: (6, 4), 32: (8, 4)}

Boundaries = tuple[Sides, Sides, Sides]
Strides = tuple[int, int]
Patching = tuple[Strides, Strides, Strides]


@dataclass(frozen=True)
class Stage:
    """A convolution along one axis, and its transpose in the decoder; the default changes nothing.

    On a periodic axis, `wrap` rows from the other end are added on each side before the convolution. Before
    the transposed convolution it is `unwrap` rows; of its output, `crop` rows are dropped on each side.
    """

    kernel: int = 1
    stride: int = 1
    wrap: int = 0
    unwrap: int = 0
    crop: int = 0

    def rows(self, cells: int) -> int:
        """Rows after the convolution of so many cells."""
        return (cells + 2 * self.wrap - self.kernel) // self.stride + 1


@dataclass(frozen=True)
class Axis:
    """One axis of the grid, and how its cells become tokens.

    `pad` counts the cells added beyond the lower and the upper boundary: they are zero, and flagged.
    `overlap` counts the cells of a periodic axis that are repeated at each end. An axis of size 1 is not
    changed.
    """

    size: int
    sides: Sides
    first: Stage = Stage()
    second: Stage = Stage()
    pad: tuple[int, int] = (0, 0)
    overlap: tuple[int, int] = (0, 0)

    @property
    def periodic(self) -> bool:
        """Whether the two ends of the axis meet."""
        return self.sides[0] == Boundary.PERIODIC

    @property
    def stride(self) -> int:
        """Cells per token."""
        return self.first.stride * self.second.stride

    @property
    def cells(self) -> int:
        """Cells of the axis, with padding and overlap."""
        return self.size + sum(self.pad) + sum(self.overlap)

    @property
    def tokens(self) -> int:
        """Tokens of the axis."""
        return self.second.rows(self.first.rows(self.cells))


Axes = tuple[Axis, Axis, Axis]
Stages = tuple[Stage, Stage, Stage]


def first_stages(axes: Axes) -> Stages:
    """The first convolution (cells to sites), along H, W and D."""
    return axes[0].first, axes[1].first, axes[2].first


def second_stages(axes: Axes) -> Stages:
    """The second convolution (sites to tokens), along H, W and D."""
    return axes[0].second, axes[1].second, axes[2].second


def plan_axes(
    settings: ModelSettings,
    shape: tuple[int, int, int],
    boundaries: Boundaries,
    *,
    jitter: bool,
    patching: Patching | None = None,
) -> Axes:
    """The three axes of a grid of this shape (H, W, D).

    With `jitter`, bounded axes get room for a shift by half a token. `patching` gives the strides of each
    axis, by default those of the table. Raises MismatchError if the grid is too large for the strides, or
    too small to wrap.
    """
    chosen = patching_of(settings, shape) if patching is None else patching
    height, width, depth = (
        plan_axis(size, sides, strides, jitter=jitter, released=settings.released_seams)
        for size, sides, strides in zip(shape, boundaries, chosen, strict=True)
    )
    return height, width, depth


def patching_of(settings: ModelSettings, shape: tuple[int, int, int]) -> Patching:
    """The strides of each axis from the table; raises MismatchError if the grid is too large for it."""
    target = settings.volume_tokens if min(shape) > 1 else settings.plane_tokens
    height, width, depth = (choose_strides(size, target) for size in shape)
    return height, width, depth


def choose_strides(size: int, target: int) -> Strides:
    """The two strides with the smallest product for which the axis has at most `target` tokens.

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


def plan_axis(size: int, sides: Sides, strides: Strides, *, jitter: bool, released: bool = False) -> Axis:
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
        return _bounded(size, sides, strides, jitter=jitter)
    if sides[0] != sides[1]:
        raise MismatchError(f"model: boundary {sides} is periodic on one side only; a period has two ends")
    if released:
        return _released(size, sides, strides)
    if size % (strides[0] * strides[1]):
        return _overlapped(size, sides, strides)
    first, second = _wrapped(FIRST_KERNEL, strides[0]), _wrapped(SECOND_KERNEL, strides[1])
    return Axis(size, sides, first, second)


def _bounded(size: int, sides: Sides, strides: Strides, *, jitter: bool) -> Axis:
    """An axis between two boundaries: padded on both sides."""
    token = strides[0] * strides[1]
    pad = _margin(strides) + (token // 2 if jitter else 0)
    first, second = Stage(FIRST_KERNEL, strides[0]), Stage(SECOND_KERNEL, strides[1])
    # If the size is not a multiple of the stride, the upper end gets more padding, with the same flag.
    return Axis(size, sides, first, second, pad=(pad, pad + -size % token))


def _wrapped(kernel: int, stride: int) -> Stage:
    """A stage of a periodic axis: it wraps as many rows as the kernel reaches beyond each end."""
    overhang = (kernel - stride) // 2
    unwrap = ceil(overhang / stride)
    return Stage(kernel, stride, wrap=overhang, unwrap=unwrap, crop=overhang + unwrap * stride)


def _overlapped(size: int, sides: Sides, strides: Strides) -> Axis:
    """A periodic axis whose size is not a multiple of the stride.

    At each end it repeats all cells that are seen by a token which reaches into the axis.
    """
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
    """As in the release: the cells are wrapped once, and so is the input of each transposed convolution."""
    first, second = _released_stage(FIRST_KERNEL, strides[0]), _released_stage(SECOND_KERNEL, strides[1])
    margin = _margin(strides)
    return Axis(size, sides, first, second, overlap=(margin, margin))


def _released_stage(kernel: int, stride: int) -> Stage:
    unwrap = (kernel - stride) // stride
    return Stage(kernel, stride, unwrap=unwrap, crop=unwrap * stride)


def _margin(strides: Strides) -> int:
    """Cells that a token sees on each side in addition to its own."""
    return (FIRST_KERNEL - strides[0]) // 2 + strides[0] * (SECOND_KERNEL - strides[1]) // 2
