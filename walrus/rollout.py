"""Forecast step by step: each predicted frame becomes part of the input for the next one.

Axes: B batch, T time, C channel, H W D space.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from shards.errors import MismatchError
from walrus.batch import Batch
from walrus.model.patching import cycle_patching
from walrus.model.random_draws import draw_shifts
from walrus.model.walrus import Walrus
from walrus.normalize import Scales, WindowStatistics, advance, join_channels, normalise, statistics_of
from walrus.randomness import generator_of
from walrus.trend import trend
from walrus.vocabulary import Vocabulary


@dataclass(frozen=True)
class ChangeBounds:
    """Bounds on the RMS of the change of a field, as multiples of that in the first window of a rollout.

    The network predicts changes in units of that RMS, and its predictions set the next one: if they grow by a
    factor each step, the rollout explodes; if they shrink, it freezes. See
    docs/decisions/0037-bounds-on-the-change.md.

    >>> bounds = ChangeBounds(0.25, 1.0)
    >>> bounds.apply(torch.tensor([0.1, 0.9, 7.0]), torch.tensor([2.0, 2.0, 2.0])).tolist()
    [0.5, 0.8999999761581421, 2.0]
    """

    lowest: float = 0.25
    highest: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.lowest <= self.highest or self.highest == 0:
            raise MismatchError(
                f"change bounds {self.lowest:g} to {self.highest:g}: expected 0 <= lowest <= highest > 0; "
                "take 0 and inf for none"
            )

    def apply(self, change_BC: Tensor, first_BC: Tensor) -> Tensor:
        """The RMS of the change within the bounds around that of the first window."""
        return change_BC.clamp(self.lowest * first_BC, self.highest * first_BC)


UNBOUNDED = ChangeBounds(0.0, math.inf)


@dataclass(frozen=True)
class Model:
    """A trained network ready to forecast.

    Patch jitter is part of the published inference; `seed` makes it repeatable. With `scales` fields are
    divided by the RMS of the whole dataset, as in training. A frame is the mean over `draws` of the jitter.
    `bounds` hold for rollouts. A share `trend_share` of each frame is the trend of the window; in a rollout
    the share falls by this factor from step to step (docs/decisions/0170-trend.md).
    """

    network: Walrus
    vocabulary: Vocabulary
    eps: float
    jitters: bool = True
    seed: int = 0
    scales: Scales = field(default_factory=dict)
    draws: int = 1
    bounds: ChangeBounds = ChangeBounds()
    trend_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.trend_share <= 1:
            raise MismatchError(f"share of the trend {self.trend_share:g}: expected a number from 0 to 1")

    def change_rms(self, history: Batch) -> Tensor:
        """[B, C] the RMS of the change in the window, or in its dataset: the unit of the network's output."""
        return statistics_of(history, join_channels(history), self.eps, self.scales).delta_BC

    @torch.no_grad()
    def next_frame(self, history: Batch, step: int = 0, first_change_BC: Tensor | None = None) -> Tensor:
        """The frame after the last one: [B, C, H, W, D] of the variable channels, in the units of the batch.

        `step` counts the steps of a rollout; the jitter depends on it. With `first_change_BC`, the RMS of
        the change in the first window of a rollout, `bounds` apply. Cells inside an obstacle keep their last
        value (docs/decisions/0035-solid-cells.md); padding is zero.
        """
        u_TBCHWD = join_channels(history)
        statistics = statistics_of(history, u_TBCHWD, self.eps, self.scales)
        if first_change_BC is not None:
            statistics = replace(statistics, delta_BC=self.bounds.apply(statistics.delta_BC, first_change_BC))
        output_TBCHWD = self._mean_output(normalise(u_TBCHWD, statistics), history, step)
        channels = len(history.channels)
        variable = WindowStatistics(statistics.scale_BC[:, :channels], statistics.delta_BC[:, :channels])
        last_BCHWD = history.fields_BTCHWD[:, -1]
        frame_BCHWD = advance(last_BCHWD[None], output_TBCHWD[:, :, :channels], variable)[0]
        if self.trend_share > 0:
            trend_BCHWD = trend(u_TBCHWD[:, :, :channels], history.boundaries)
            # In a rollout the trend continues the errors of earlier forecasts too: its share falls.
            share = self.trend_share ** (1 if first_change_BC is None else step + 1)
            frame_BCHWD = torch.lerp(frame_BCHWD, last_BCHWD + trend_BCHWD, share)
        frame_BCHWD = torch.where(history.solid[:, None], last_BCHWD, frame_BCHWD)
        return frame_BCHWD * ~history.padded_C[:, None, None, None]

    def _mean_output(self, x_TBCHWD: Tensor, history: Batch, step: int) -> Tensor:
        """[1, B, C, H, W, D] the network's output for the last frame: the mean over draws of the jitter."""
        draws = self.draws if self.jitters else 1
        sum_TBCHWD = self._output(x_TBCHWD, history, step, 0)
        for draw in range(1, draws):
            sum_TBCHWD = sum_TBCHWD + self._output(x_TBCHWD, history, step, draw)
        return sum_TBCHWD / draws

    def _output(self, x_TBCHWD: Tensor, history: Batch, step: int, draw: int) -> Tensor:
        """[1, B, C, H, W, D] the network's output for the last frame, with one draw of the jitter."""
        height, width, depth = x_TBCHWD.shape[3:]
        settings, shape = self.network.settings, (height, width, depth)
        patching = cycle_patching(settings, shape, step)
        shifts = None
        if self.jitters:
            # The first draw has the name it had before there could be several.
            name = ("forecast", step, draw) if draw else ("forecast", step)
            shifts = draw_shifts(
                settings, shape, history.boundaries, generator_of(self.seed, *name), patching
            )
        output_TBCHWD: Tensor = self.network(
            x_TBCHWD,
            self.vocabulary.labels((*history.channels, *history.static_channels)),
            history.boundaries,
            shifts,
            last_only=True,
            patching=patching,
            cells_BHWD=history.cells_BHWD,
        )
        return output_TBCHWD


def rollout(model: Model, history: Batch, steps: int) -> Iterator[Tensor]:
    """Yield the `steps` frames that follow `history`, [B, C, H, W, D] each, in the units of the batch.

    After each step the window moves on by one frame: the oldest frame leaves it, the forecast enters it.
    """
    first_change_BC = model.change_rms(history)
    for step in range(steps):
        frame_BCHWD = model.next_frame(history, step, first_change_BC)
        fields_BTCHWD = torch.cat([history.fields_BTCHWD[:, 1:], frame_BCHWD[:, None]], 1)
        history = replace(history, fields_BTCHWD=fields_BTCHWD)
        yield frame_BCHWD
