"""Pad a grid beyond its boundaries, flag the padding, and crop it again.

Axes: N frames, B batch, C channel, F flags of a cell, H W D cells.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from shards.schema import Boundary, Cell
from walrus.device import on_device_of
from walrus.model.geometry import Axes, Axis
from walrus.model.random_draws import Shift

# The seam of a periodic axis has no flag: the physics does not know where it is.
CELL_FLAGS = (Cell.WALL, Cell.OPEN, Cell.OBSTACLE)


def pad_grid(x_NCHWD: Tensor, axes: Axes, shift: Shift) -> Tensor:
    """The grid [N, C, H, W, D] with padding and overlap, shifted by `shift` cells along each axis.

    A bounded axis moves inside its padding of zeros, a periodic one is rolled.
    """
    margins: list[int] = []
    for axis, moved in zip(reversed(axes), reversed(shift), strict=True):
        margins += [axis.pad[0] + moved, axis.pad[1] - moved] if not axis.periodic else [0, 0]
    x_NCHWD = functional.pad(x_NCHWD, margins) if any(margins) else x_NCHWD
    for dim, (axis, moved) in enumerate(zip(axes, shift, strict=True), start=2):
        if axis.periodic:
            x_NCHWD = wrap(_roll(x_NCHWD, dim, moved), dim, *axis.overlap)
    return x_NCHWD


def crop_grid(y_NCHWD: Tensor, axes: Axes, shift: Shift, left_out: Shift = (0, 0, 0)) -> Tensor:
    """The inverse of `pad_grid`, exactly; `left_out` cells are already missing at the start of each axis."""
    for dim, (axis, moved, missing) in enumerate(zip(axes, shift, left_out, strict=True), start=2):
        if axis.periodic:
            y_NCHWD = _roll(y_NCHWD.narrow(dim, axis.overlap[0], axis.size), dim, -moved)
        else:
            y_NCHWD = y_NCHWD.narrow(dim, axis.pad[0] + moved - missing, axis.size)
    return y_NCHWD


def trim_rows(y_NCHWD: Tensor, axes: Axes, shift: Shift) -> tuple[Tensor, Shift]:
    """The rows of [N, C, ...] that reach the grid through the last convolution, and the cells left out.

    The other rows would only fill padding, which is dropped: nearly half of a bounded volume of 64^3 cells.
    """
    left_out = []
    for dim, (axis, moved) in enumerate(zip(axes, shift, strict=True), start=2):
        rows = _reaching_rows(axis, moved)
        y_NCHWD = y_NCHWD.narrow(dim, rows.start, len(rows))
        left_out.append(rows.start * axis.first.stride)
    return y_NCHWD, (left_out[0], left_out[1], left_out[2])


def _reaching_rows(axis: Axis, shift: int) -> range:
    """The rows that the transposed convolution spreads to cells of the grid."""
    stage, rows = axis.first, axis.first.rows(axis.cells)
    if axis.periodic:
        return range(rows)
    begin = axis.pad[0] + shift
    end = begin + axis.size
    return range(max(0, (begin - stage.kernel) // stage.stride + 1), min(rows, (end - 1) // stage.stride + 1))


def wrap(x: Tensor, dim: int, lower: int, upper: int) -> Tensor:
    """`x` with its last `lower` rows repeated before it and its first `upper` rows after it.

    >>> wrap(torch.arange(5), 0, lower=2, upper=1).tolist()
    [3, 4, 0, 1, 2, 3, 4, 0]
    """
    if lower == upper == 0:
        return x
    size = x.shape[dim]
    return torch.cat([x.narrow(dim, size - lower, lower), x, x.narrow(dim, 0, upper)], dim)


def _roll(x: Tensor, dim: int, shift: int) -> Tensor:
    return x.roll(shift, dim) if shift else x


def boundary_flags(axes: Axes, shift: Shift, like: Tensor) -> Tensor:
    """[3, H, W, D] three flags of each cell of the padded grid: inside, beyond a wall, beyond an open side.

    A cell inside has (1, 0, 0), one beyond a wall (0, 1, 0), one beyond an open side (0, 0, 1). Where the
    padding of two axes meets, their second and third flags are added. Padding that the shift moves out at
    one end enters at the other end, with its flags.
    """
    inside_HWD = _along(axes, shift, like, None).prod(0)
    closed_HWD = _along(axes, shift, like, Boundary.WALL).sum(0)
    open_HWD = _along(axes, shift, like, Boundary.OPEN).sum(0)
    return torch.stack([inside_HWD, closed_HWD, open_HWD])


def cell_flags(cells_BHWD: Tensor, axes: Axes, shift: Shift, like: Tensor) -> Tensor:
    """[B, F, H, W, D] the bits of the per-cell boundary mask, one channel each, padded; padding has none."""
    bits_F = on_device_of(CELL_FLAGS, cells_BHWD, cells_BHWD.dtype)
    raised_BFHWD = (cells_BHWD[:, None] & bits_F[:, None, None, None]) != 0
    return pad_grid(raised_BFHWD.to(like.dtype), axes, shift)


def _along(axes: Axes, shift: Shift, like: Tensor, kind: Boundary | None) -> Tensor:
    """[3, H, W, D] for each axis: 1 where a cell is padding of this kind; None: where it is inside."""
    grid = [axis.cells for axis in axes]
    spread = []
    for number, (axis, moved) in enumerate(zip(axes, shift, strict=True)):
        shape = [1, 1, 1]
        shape[number] = axis.cells
        spread.append(_indicator(axis, moved, like, kind).view(shape).expand(grid))
    return torch.stack(spread)


def _indicator(axis: Axis, shift: int, like: Tensor, kind: Boundary | None) -> Tensor:
    """The same along one axis, [cells]."""
    lower, upper = axis.pad
    row = like.new_full((axis.cells,), float(kind is None))
    row[:lower] = float(kind == axis.sides[0])
    row[axis.cells - upper :] = float(kind == axis.sides[1])
    return row if axis.periodic else _roll(row, 0, shift)
