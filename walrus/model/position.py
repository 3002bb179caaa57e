"""A learned vector for every position of one fixed token grid.

Useful where absolute position matters, as in convection between fixed plates; it ties the model to that
grid. Axes: T time, B batch, h w d tokens an axis, S = h x w x d, E width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shards.errors import MismatchError
from walrus.model.geometry import Axes


class GridPosition(nn.Module):
    """Absolute position embedding of the fine-tuned release, added once after the encoder."""

    def __init__(self, grid: tuple[int, int, int], width: int) -> None:
        super().__init__()
        self.weight_hwdE = nn.Parameter(5e-3 * torch.randn(*grid, width))

    def forward(self, x_TBSE: Tensor, axes: Axes) -> Tensor:
        """Tokens plus their vectors; raises MismatchError where the tokens are on another grid."""
        grid, tokens = tuple(self.weight_hwdE.shape[:3]), tuple(axis.tokens for axis in axes)
        if grid != tokens:
            raise MismatchError(
                f"model: found {tokens} tokens; expected its position_grid {grid}, made for one grid "
                "with jitter on or off as in training; use such data, or a model without position_grid"
            )
        return x_TBSE + self.weight_hwdE.flatten(0, 2)
