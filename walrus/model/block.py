"""One block of the network: attention along time at every token, then among the tokens of each frame.

Axes: T time, B batch, S tokens, E width, R pairs of channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from walrus.model.rotary import build_rotary
from walrus.model.settings import ModelSettings
from walrus.model.space_mixing import SpaceMixing
from walrus.model.time_mixing import TimeMixing


class Block(nn.Module):
    """Two residual branches (arXiv 2511.15684, section 3).

    The output layers of a new block are multiplied by `branch_scale`, so that it starts as the identity.
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.time = TimeMixing(settings)
        self.space = SpaceMixing(settings)
        self.rotary = build_rotary(settings)
        with torch.no_grad():
            for output in (self.time.out, self.space.attention_out, self.space.mlp_out):
                for parameter in output.parameters():
                    parameter.mul_(settings.branch_scale)

    def forward(
        self,
        x_TBSE: Tensor,
        bucket_QK: Tensor,
        phases_SR2: Tensor,
        path_B: Tensor | None = None,
        path_TB: Tensor | None = None,
    ) -> Tensor:
        """The tokens [T, B, S, E] after the block.

        `bucket_QK` are those of `time_mixing.lag_buckets`, `phases_SR2` those of `self.rotary`; the paths
        are the factors of stochastic depth for the two branches. All arguments are tensors, so that one
        compiled graph serves grids of any shape (docs/decisions/0079-few-graphs.md).
        """
        # A branch has no name here: a name would keep its memory while the next one is computed.
        x_TBSE = x_TBSE + _scaled(self.time(x_TBSE, bucket_QK), path_B)
        return x_TBSE + _scaled(self.space(x_TBSE, phases_SR2), path_TB)


def _scaled(branch_TBSE: Tensor, path: Tensor | None) -> Tensor:
    """The branch times its path, which is [B] or [T, B]; unchanged without a path."""
    return branch_TBSE if path is None else branch_TBSE * path[..., None, None]
