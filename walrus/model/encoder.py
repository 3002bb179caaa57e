"""The encoder, cells to tokens: two strided convolutions. Each known channel has a column in the first.

Axes: B batch, N = T x B frames, C channel, F flags of a cell, I inner width, E width, H W D cells, h w d
tokens per axis.
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
    """The encoder for 2D or for 3D data (arXiv 2511.15684, appendix A.4; SiLU as in the released code)."""

    def __init__(self, settings: ModelSettings, vocabulary_size: int) -> None:
        super().__init__()
        self.fields = vocabulary_size - len(SERVICE_CHANNELS)
        self.field_scale = settings.field_scale
        self.first = kernel_parameter(settings.inner, vocabulary_size, *[FIRST_KERNEL] * 3)
        self.first_norm = CellNorm(settings.inner)
        self.second = kernel_parameter(settings.hidden, settings.inner, *[SECOND_KERNEL] * 3)
        self.second_norm = CellNorm(settings.hidden)
        # It starts at zero, so that it can be added to a published model without a change of its output.
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
        """Tokens [N, E, h, w, d] of the padded fields.

        `flags_3HWD` marks their padding (`padding.boundary_flags`), `labels_C` are the vocabulary columns of
        the channels, `cells_BFHWD` the boundary flags of each cell for a model with `cell_flags`.
        """
        fields_ICHWD, flags_I3HWD = self._kernels(labels_C)
        # All frames have the same flags, which are convolved once.
        first = first_stages(axes)
        y = convolve(x_NCHWD, fields_ICHWD, first) + convolve(flags_3HWD[None], flags_I3HWD, first)
        if self.cells is not None and cells_BFHWD is not None:
            y_TBIHWD = y.unflatten(0, (-1, len(cells_BFHWD)))
            y = (y_TBIHWD + convolve(cells_BFHWD, self.cells, first)).flatten(0, 1)
        y = convolve(functional.silu(self.first_norm(y)), self.second, second_stages(axes))
        return functional.silu(self.second_norm(y))

    def _kernels(self, labels_C: Tensor) -> tuple[Tensor, Tensor]:
        """The kernel columns of the fields, and of the three flags: inside, closed, open.

        Those of the fields and of the first flag are scaled up, so that the output of few channels is as
        large as that of all known channels would be.
        """
        scale = math.sqrt(self.fields / len(labels_C))
        inside, boundaries = self.first[:, 2:3] * scale, self.first[:, :2]
        fields = self.first.index_select(1, labels_C) * (scale * self.field_scale)
        return fields, torch.cat([inside, boundaries], 1)
