"""A learned vector for every position of one fixed token grid.

It helps where absolute position matters, as in convection between fixed plates. The model then works on that
grid only.

Axes: T time, B batch, h w d tokens per axis, S = h x w x d, E width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shards.errors import MismatchError
from walrus.model.geometry import Axes


class GridPosition(nn.Module):
    """The absolute position embedding of the fine-tuned release, which is added once, after the encoder."""

    def __init__(self, grid: tuple[int, int, int], width: int) -> None:
        super().__init__()
        self.weight_hwdE = nn.Parameter(5e-3 * torch.randn(*grid, width))

    def forward(self, x_TBSE: Tensor, axes: Axes) -> Tensor:
        """[T, B, S, E] the tokens plus their vectors; raises MismatchError if they are on another grid."""
        grid, tokens = tuple(self.weight_hwdE.shape[:3]), tuple(axis.tokens for axis in axes)
        if grid != tokens:
            raise MismatchError(
                f"model: found {tokens} tokens; expected its position_grid {grid}, made for one grid "
                "with jitter on or off as in training; use such data, or a model without position_grid"
            )
        return x_TBSE + self.weight_hwdE.flatten(0, 2)
