"""The loss: how wrong the predicted changes are.

Axes: T time, B batch, C channel, H W D space.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from shards.schema import Cell
from walrus.normalize import WindowStatistics, normalise_change

WEIGHT = 100.0
# The first frame has no frame before it, from which the network could see a rate of change.
CONTEXT = 1
# How the errors of the cells of a channel become one number: their mean size, as published, or the root of
# their mean square, as in VRMSE (docs/decisions/0189-the-loss.md).
Loss = Literal["mae", "rmse"]


def delta_loss(
    output_TBCHWD: Tensor,
    seen_TBCHWD: Tensor,
    next_TBCHWD: Tensor,
    statistics: WindowStatistics,
    cells_BHWD: Tensor,
    padded_C: Tensor,
    *,
    causal: bool = True,
    loss: Loss = "mae",
) -> Tensor:
    """100 times the error of the changes, in units of their RMS: a scalar.

    - `output_TBCHWD`: the output of the network, a change for each frame and variable channel.
    - `seen_TBCHWD`, `next_TBCHWD`: the frames that it saw, and the true frame after each.
    - `statistics`: those of the window; they may have constant channels after the variable ones.

    The first change does not count. If the network is not causal, only the last one counts, because for the
    others it has seen the answer. The error of a cell inside an obstacle counts as 0; channels that are
    padding do not count. `loss` is "mae", the mean absolute error (arXiv 2511.15684, equation 8), or "rmse",
    the root of the mean squared error over the cells of each frame and channel.
    """
    channels = output_TBCHWD.shape[2]
    variable = WindowStatistics(statistics.scale_BC[:, :channels], statistics.delta_BC[:, :channels])
    target_TBCHWD = normalise_change(next_TBCHWD - seen_TBCHWD, variable)
    error_TBCHWD = (output_TBCHWD - target_TBCHWD)[CONTEXT if causal else -1 :]
    outside_BHWD = (cells_BHWD & int(Cell.OBSTACLE)) == 0
    real_C = ~padded_C
    counted_TBCHWD = error_TBCHWD * (outside_BHWD[:, None] & real_C[:, None, None, None])
    return WEIGHT * _over_cells(counted_TBCHWD, loss).mean((0, 1)).sum() / real_C.sum()


def _over_cells(error_TBCHWD: Tensor, loss: Loss) -> Tensor:
    """[T, B, C] one error for the cells of each frame and channel."""
    if loss == "mae":
        return error_TBCHWD.abs().mean((3, 4, 5))
    # Not the square root of a mean: its gradient at zero is not a number, and that of the norm is zero.
    cells = math.prod(error_TBCHWD.shape[3:])
    norm_TBC: Tensor = torch.linalg.vector_norm(error_TBCHWD, dim=(3, 4, 5))
    return norm_TBC / math.sqrt(cells)
