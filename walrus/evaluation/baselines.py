"""The baselines, persistence, linear extrapolation and the trend, and the errors of forecasts of one frame.

Axes: F forecasts, M measure (the order of walrus.evaluation.metrics.MEASURES), T steps, C channel, S space;
such tensors are in physical units, float64. B window, H W D space: in the units of the batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from walrus.batch import Batch
from walrus.evaluation.metrics import all_measures
from walrus.evaluation.scores import Errors
from walrus.trend import trend

# Frames that linear extrapolation needs.
LOOKBACK = 2


def persistence(last_CS: Tensor, steps: int) -> Iterator[Tensor]:
    """Repeat the last known frame."""
    for _ in range(steps):
        yield last_CS


def linear(before_CS: Tensor, last_CS: Tensor, steps: int) -> Iterator[Tensor]:
    """Continue the last two known frames along a straight line.

    >>> [float(frame) for frame in linear(torch.tensor(1.0), torch.tensor(3.0), steps=2)]
    [5.0, 7.0]
    """
    for step in range(1, steps + 1):
        yield last_CS + step * (last_CS - before_CS)


def trends(history: Batch, steps: int) -> Iterator[Tensor]:
    """Continue the window by its trend, [B, C, H, W, D]; each frame becomes part of the window for the next.

    Cells inside an obstacle keep their value.
    """
    solid_BHWD = history.solid
    u_TBCHWD = history.fields_BTCHWD.transpose(0, 1)
    for _ in range(steps):
        change_BCHWD = trend(u_TBCHWD, history.boundaries).masked_fill(solid_BHWD[:, None], 0.0)
        u_TBCHWD = torch.cat([u_TBCHWD[1:], u_TBCHWD[-1:] + change_BCHWD])
        yield u_TBCHWD[-1]


def frame_errors(
    truth_CS: Tensor, forecasts_FCS: Tensor, unit_C: Tensor | None = None, fluid_S: Tensor | None = None
) -> Errors:
    """Every measure of several forecasts of one frame, [F, M, C]; infinite where a forecast is not finite.

    `unit_C` and `fluid_S` as in `walrus.evaluation.metrics.all_measures`.
    """
    values_FCM = all_measures(truth_CS, forecasts_FCS, truth_CS.ndim - 1, unit_C, fluid_S)
    errors: Errors = torch.movedim(values_FCM, -1, 1).cpu().numpy()
    return errors
