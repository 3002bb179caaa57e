"""The loss: how wrong the predicted changes are.

Axes: T time, B batch, C channel, H W D space.
"""

from __future__ import annotations

from torch import Tensor

from shards.schema import Cell
from walrus.normalize import WindowStatistics, normalise_change

WEIGHT = 100.0
# The first frame has no past to tell a rate of change from.
CONTEXT = 1


def delta_loss(
    output_TBCHWD: Tensor,
    seen_TBCHWD: Tensor,
    next_TBCHWD: Tensor,
    statistics: WindowStatistics,
    cells_BHWD: Tensor,
    padded_C: Tensor,
    causal: bool = True,
) -> Tensor:
    """100 times the mean absolute error of the changes in units of their RMS, a scalar.

    `output` are the network's T changes of the variable channels, `seen` the T frames that it saw and `next`
    the true frame after each.
    The first change is left out; of a network that is not causal only the last one counts, since position t
    sees frame t + 1, its answer. Cells inside an obstacle count as right, channels that only pad a vector
    count not at all. `statistics` may cover constant channels behind the variable ones. Source: arXiv
    2511.15684, equation 8.
    """
    channels = output_TBCHWD.shape[2]
    variable = WindowStatistics(statistics.scale_BC[:, :channels], statistics.delta_BC[:, :channels])
    target_TBCHWD = normalise_change(next_TBCHWD - seen_TBCHWD, variable)
    error_TBCHWD = (output_TBCHWD - target_TBCHWD)[CONTEXT if causal else -1 :].abs()
    outside_BHWD = (cells_BHWD & int(Cell.OBSTACLE)) == 0
    real_C = ~padded_C
    counted_TBCHWD = error_TBCHWD * (outside_BHWD[:, None] & real_C[:, None, None, None])
    return WEIGHT * counted_TBCHWD.mean((0, 1, 3, 4, 5)).sum() / real_C.sum()
