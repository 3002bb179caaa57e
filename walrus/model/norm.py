"""Norm layers: each channel is divided by its root mean square over the cells of one frame.

The paper says group norm, but the released weights need this one. No mean is subtracted: zero stays zero.

Axes: N frames, T time, B batch, C channel, H W D cells, S tokens, E width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class CellNorm(nn.Module):
    """The norm of arrays with channels in front, [N, C, H, W, D]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x_NCHWD: Tensor) -> Tensor:
        x_NCHWD = _precise(x_NCHWD)
        return x_NCHWD * (_inverse_rms(x_NCHWD, (2, 3, 4)) * self.weight[:, None, None, None])


class TokenNorm(nn.Module):
    """The norm of arrays with channels at the end, [T, B, S, E]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x_TBSE: Tensor) -> Tensor:
        x_TBSE = _precise(x_TBSE)
        return x_TBSE * (_inverse_rms(x_TBSE, (2,)) * self.weight)


def _precise(x: Tensor) -> Tensor:
    """`x` in at least single precision; so the norm that starts the residual stream keeps it precise."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _inverse_rms(x: Tensor, cells: tuple[int, ...]) -> Tensor:
    return torch.rsqrt(x.square().mean(cells, keepdim=True) + torch.finfo(x.dtype).eps)
