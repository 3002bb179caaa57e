"""The decoder, tokens to cells: two transposed convolutions. Each known channel has a column in the second.

Axes: N frames, C channel, E width, h w d tokens per axis, H W D cells.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from walrus.model.convolution import convolve_back, kernel_parameter
from walrus.model.geometry import FIRST_KERNEL, SECOND_KERNEL, Axes, first_stages, second_stages
from walrus.model.norm import CellNorm
from walrus.model.padding import crop_grid, trim_rows
from walrus.model.random_draws import Shift
from walrus.model.settings import ModelSettings


class Decoder(nn.Module):
    """The decoder for 2D or for 3D data (arXiv 2511.15684, appendix A.4)."""

    def __init__(self, settings: ModelSettings, vocabulary_size: int) -> None:
        super().__init__()
        self.first = kernel_parameter(settings.hidden, settings.inner, *[SECOND_KERNEL] * 3)
        self.first_norm = CellNorm(settings.inner)
        self.second = kernel_parameter(settings.inner, vocabulary_size, *[FIRST_KERNEL] * 3)
        bound = 1 / math.sqrt(vocabulary_size * FIRST_KERNEL**3)
        self.bias = nn.Parameter(torch.empty(vocabulary_size).uniform_(-bound, bound))

    def forward(self, x_NEhwd: Tensor, labels_C: Tensor, axes: Axes, shift: Shift) -> Tensor:
        """Fields [N, C, H, W, D] on the grid without padding.

        `labels_C` are the vocabulary columns of the channels, `axes` and `shift` as in the encoder.
        """
        y = convolve_back(x_NEhwd, self.first, second_stages(axes))
        y = functional.silu(self.first_norm(y))
        y, left_out = trim_rows(y, axes, shift)
        kernel, bias = self.second.index_select(1, labels_C), self.bias.index_select(0, labels_C)
        # The output of the network is never rounded to half precision.
        with torch.autocast(y.device.type, enabled=False):
            y = convolve_back(y, kernel, first_stages(axes))
        return crop_grid(y, axes, shift, left_out) + bias[:, None, None, None]
