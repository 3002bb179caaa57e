"""Forecast step by step: each predicted frame is fed back as if it were the truth.

Axes: B batch, T time, C channel, H W D space.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from shards.schema import Cell
from walrus.batch import Batch
from walrus.model.patching import cycle_patching
from walrus.model.random_draws import draw_shifts
from walrus.model.walrus import Walrus
from walrus.normalize import Scales, WindowStatistics, advance, join_channels, normalise, statistics_of
from walrus.randomness import generator_of
from walrus.vocabulary import Vocabulary


@dataclass(frozen=True)
class Model:
    """A trained network ready to forecast.

    Patch jitter is part of the published inference; `seed` makes it repeatable. With `scales` fields are
    divided by the RMS of the whole dataset, as in training.
    """

    network: Walrus
    vocabulary: Vocabulary
    eps: float
    jitters: bool = True
    seed: int = 0
    scales: Scales = field(default_factory=dict)

    @torch.no_grad()
    def next_frame(self, history: Batch, step: int = 0) -> Tensor:
        """The frame after the last one, [B, C, H, W, D] of the variable channels, in the units of the batch.

        Cells inside an obstacle keep their last value (docs/decisions/0035-solid-cells.md); padded components
        are zero.
        """
        u_TBCHWD = join_channels(history)
        statistics = statistics_of(history, u_TBCHWD, self.eps, self.scales)
        height, width, depth = u_TBCHWD.shape[3:]
        settings, shape = self.network.settings, (height, width, depth)
        patching = cycle_patching(settings, shape, step)
        shifts = None
        if self.jitters:
            generator = generator_of(self.seed, "forecast", step)
            shifts = draw_shifts(settings, shape, history.boundaries, generator, patching)
        output_TBCHWD = self.network(
            normalise(u_TBCHWD, statistics),
            self.vocabulary.labels((*history.channels, *history.static_channels)),
            history.boundaries,
            shifts,
            last_only=True,
            patching=patching,
            cells_BHWD=history.cells_BHWD,
        )
        channels = len(history.channels)
        variable = WindowStatistics(statistics.scale_BC[:, :channels], statistics.delta_BC[:, :channels])
        last_TBCHWD = u_TBCHWD[-1:, :, :channels]
        frame_BCHWD = advance(last_TBCHWD, output_TBCHWD[:, :, :channels], variable)[0]
        solid_BHWD = (history.cells_BHWD & int(Cell.OBSTACLE)) != 0
        frame_BCHWD = torch.where(solid_BHWD[:, None], last_TBCHWD[0], frame_BCHWD)
        return frame_BCHWD * ~history.padded_C[:, None, None, None]


def rollout(model: Model, history: Batch, steps: int) -> Iterator[Tensor]:
    """Forecast the `steps` frames that follow `history`, [B, C, H, W, D] each; the window moves along."""
    for step in range(steps):
        frame_BCHWD = model.next_frame(history, step)
        fields_BTCHWD = torch.cat([history.fields_BTCHWD[:, 1:], frame_BCHWD[:, None]], 1)
        history = replace(history, fields_BTCHWD=fields_BTCHWD)
        yield frame_BCHWD
