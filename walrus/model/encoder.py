"""Cells to tokens: two strided convolutions, the first with a kernel column for every known channel.

Axes: B batch, N = T x B frames, C channel, F flags of a cell, I inner width, E width, H W D cells, h w d
tokens.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from walrus.model.convolution import convolve, kernel_parameter
from walrus.model.geometry import FIRST_KERNEL, SECOND_KERNEL, Axes, first_stages, second_stages
from walrus.model.norm import CellNorm
from walrus.model.padding import CELL_FLAGS
from walrus.model.settings import ModelSettings
from walrus.vocabulary import SERVICE_CHANNELS


class Encoder(nn.Module):
    """The stem of one dimensionality (arXiv 2511.15684, appendix A.4; SiLU as in the released weights)."""

    def __init__(self, settings: ModelSettings, vocabulary_size: int) -> None:
        super().__init__()
        self.fields = vocabulary_size - len(SERVICE_CHANNELS)
        self.field_scale = settings.field_scale
        self.first = kernel_parameter(settings.inner, vocabulary_size, *[FIRST_KERNEL] * 3)
        self.first_norm = CellNorm(settings.inner)
        self.second = kernel_parameter(settings.hidden, settings.inner, *[SECOND_KERNEL] * 3)
        self.second_norm = CellNorm(settings.hidden)
        # Zero at first, so that a published model may be given it.
        shape = (settings.inner, len(CELL_FLAGS), *[FIRST_KERNEL] * 3)
        self.cells = nn.Parameter(torch.zeros(shape)) if settings.cell_flags else None

    def forward(
        self,
        x_NCHWD: Tensor,
        flags_3HWD: Tensor,
        labels_C: Tensor,
        axes: Axes,
        cells_BFHWD: Tensor | None = None,
    ) -> Tensor:
        """Tokens [N, E, h, w, d] of placed fields, the flags of their padding, and those of their cells."""
        fields_ICHWD, flags_I3HWD = self._kernels(labels_C)
        # All frames share their flags: convolve them once.
        first = first_stages(axes)
        y = convolve(x_NCHWD, fields_ICHWD, first) + convolve(flags_3HWD[None], flags_I3HWD, first)
        if self.cells is not None and cells_BFHWD is not None:
            y_TBIHWD = y.unflatten(0, (-1, len(cells_BFHWD)))
            y = (y_TBIHWD + convolve(cells_BFHWD, self.cells, first)).flatten(0, 1)
        y = convolve(functional.silu(self.first_norm(y)), self.second, second_stages(axes))
        return functional.silu(self.second_norm(y))

    def _kernels(self, labels_C: Tensor) -> tuple[Tensor, Tensor]:
        """Kernel columns of the fields, and of the flags inside, closed, open.

        Fields and the first flag are scaled so that few channels give an output as large as all would.
        """
        scale = math.sqrt(self.fields / len(labels_C))
        inside, boundaries = self.first[:, 2:3] * scale, self.first[:, :2]
        fields = self.first.index_select(1, labels_C) * (scale * self.field_scale)
        return fields, torch.cat([inside, boundaries], 1)
