"""The loss: how wrong the predicted changes are.

Axes: T time, B batch, C channel, H W D space.
"""

from __future__ import annotations

from torch import Tensor

from shards.schema import Cell
from walrus.normalize import WindowStatistics, normalise_change

WEIGHT = 100.0
# The first frame has no frame before it, from which the network could see a rate of change.
CONTEXT = 1


def delta_loss(
    output_TBCHWD: Tensor,
    seen_TBCHWD: Tensor,
    next_TBCHWD: Tensor,
    statistics: WindowStatistics,
    cells_BHWD: Tensor,
    padded_C: Tensor,
    *,
    causal: bool = True,
) -> Tensor:
    """100 times the mean absolute error of the changes, in units of their RMS: a scalar.

    - `output_TBCHWD`: the output of the network, a change for each frame and variable channel.
    - `seen_TBCHWD`, `next_TBCHWD`: the frames that it saw, and the true frame after each.
    - `statistics`: those of the window; they may have constant channels after the variable ones.

    The first change does not count. If the network is not causal, only the last one counts, because for the
    others it has seen the answer. The error of a cell inside an obstacle counts as 0; channels that are
    padding do not count. Source: arXiv 2511.15684, equation 8.
    """
    channels = output_TBCHWD.shape[2]
    variable = WindowStatistics(statistics.scale_BC[:, :channels], statistics.delta_BC[:, :channels])
    target_TBCHWD = normalise_change(next_TBCHWD - seen_TBCHWD, variable)
    error_TBCHWD = (output_TBCHWD - target_TBCHWD)[CONTEXT if causal else -1 :].abs()
    outside_BHWD = (cells_BHWD & int(Cell.OBSTACLE)) == 0
    real_C = ~padded_C
    counted_TBCHWD = error_TBCHWD * (outside_BHWD[:, None] & real_C[:, None, None, None])
    return WEIGHT * counted_TBCHWD.mean((0, 1, 3, 4, 5)).sum() / real_C.sum()
