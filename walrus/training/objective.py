"""One training pass: from a micro-batch to its loss; the number of the micro-batch seeds all random draws.

Axes: B batch, T time, C channel, H W D space.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from walrus.augment import HALF_TURNS, IDENTITY, ROTATIONS, Rotation, can_rotate, draw_rotation, rotate
from walrus.batch import Batch
from walrus.model.geometry import plan_axes
from walrus.model.patching import draw_patching
from walrus.model.random_draws import StochasticDepth, draw_paths, draw_shifts
from walrus.model.walrus import Walrus
from walrus.normalize import Scales, join_channels, normalise, statistics_of
from walrus.randomness import below, generator_of
from walrus.reading.plan import Rotate
from walrus.reading.ranks import ALONE, Rank
from walrus.rollout import Model, rollout
from walrus.training.loss import Loss, delta_loss
from walrus.training.rollout_training import ONE_STEP, RolloutSettings
from walrus.vocabulary import Vocabulary


class TrainingObjective(nn.Module):
    """The network with its loss, as one module for the engine.

    `rank` says which slice of each micro-batch this process gets. Without `scales`, each window is normalised
    by its own RMS.
    """

    def __init__(
        self,
        network: Walrus,
        vocabulary: Vocabulary,
        seed: int,
        *,
        rotate: Rotate,
        jitters: bool,
        eps: float,
        rank: Rank = ALONE,
        scales: Scales | None = None,
        rollout: RolloutSettings = ONE_STEP,
        loss: Loss = "mae",
    ) -> None:
        """`seed` draws rotations and patch jitter; the RMS of a window counts as at least `eps`."""
        super().__init__()
        self.network = network
        self.vocabulary = vocabulary
        self.seed = seed
        self.rotations = _rotations(rotate)
        self.jitters = jitters
        self.eps = eps
        self.rank = rank
        self.scales = scales or {}
        self.rollout = rollout
        self.loss = loss

    def forward(self, batch: Batch, number: int, ahead: int = 1) -> Tensor:
        """The loss of micro-batch `number`, a scalar, for the frame that is `ahead` steps after the history.

        A window has the history and the `rollout.steps` frames that follow; of a longer one than needed, any
        part may be used. If `ahead` is above 1, the network sees its own forecasts of the frames in between:
        docs/decisions/0090-rollout-training.md.
        """
        batch = self._part(batch, ahead, number)
        generator = generator_of(self.seed, "micro-batch", number)
        if len(self.rotations) > 1 and can_rotate(batch):
            batch = rotate(batch, draw_rotation(self.rotations, generator))
        history = batch.fields_BTCHWD.shape[1] - ahead
        next_TBCHWD = batch.fields_BTCHWD[:, ahead:].transpose(0, 1)
        batch = self._seen(batch, history, ahead, number)
        history_TBCHWD = join_channels(batch)
        statistics = statistics_of(batch, history_TBCHWD, self.eps, self.scales)
        height, width, depth = history_TBCHWD.shape[3:]
        settings, shape = self.network.settings, (height, width, depth)
        patching = draw_patching(settings, shape, generator)
        output_TBCHWD = self.network(
            normalise(history_TBCHWD, statistics),
            self.vocabulary.labels((*batch.channels, *batch.static_channels)),
            batch.boundaries,
            draw_shifts(settings, shape, batch.boundaries, generator, patching) if self.jitters else None,
            self._paths(len(history_TBCHWD), batch.windows, generator) if settings.drop_path else None,
            patching=patching,
            cells_BHWD=batch.cells_BHWD,
        )
        return delta_loss(
            output_TBCHWD[:, :, : len(batch.channels)],
            history_TBCHWD[:, :, : len(batch.channels)],
            next_TBCHWD,
            statistics,
            batch.cells_BHWD,
            batch.padded_C,
            causal=settings.causal,
            loss=self.loss,
        )

    def _part(self, batch: Batch, ahead: int, number: int) -> Batch:
        """As many frames of the windows as are needed; which ones, the number of the micro-batch draws.

        Otherwise one step ahead would never be learned at the end of a trajectory.
        """
        spare = self.rollout.steps - ahead
        first = below(spare + 1, self.seed, "first frame", number) if spare else 0
        frames = batch.fields_BTCHWD.shape[1] - spare
        return replace(batch, fields_BTCHWD=batch.fields_BTCHWD[:, first : first + frames])

    def _seen(self, batch: Batch, history: int, ahead: int, number: int) -> Batch:
        """The windows with the frames that the network sees; the last `ahead` - 1 are its own forecasts.

        They are made as in a rollout, with jitter and bounds, from the first `history` frames.
        """
        begin = replace(batch, fields_BTCHWD=batch.fields_BTCHWD[:, :history])
        if ahead == 1:
            return begin
        model = Model(self.network, self.vocabulary, self.eps, self.jitters, number, self.scales)
        forecasts = torch.stack(list(rollout(model, begin, ahead - 1)), 1)
        # Of more forecasts than the history is long, the first are seen no more.
        seen_BTCHWD = torch.cat([begin.fields_BTCHWD, forecasts], 1)[:, -history:]
        return replace(batch, fields_BTCHWD=seen_BTCHWD)

    def tokens(self, batch: Batch) -> int:
        """Number of tokens in the histories of these windows, with the strides of the table."""
        _, frames, _, height, width, depth = batch.fields_BTCHWD.shape
        axes = plan_axes(self.network.settings, (height, width, depth), batch.boundaries, jitter=self.jitters)
        return batch.windows * (frames - self.rollout.steps) * math.prod(axis.tokens for axis in axes)

    def _paths(self, frames: int, windows: int, generator: torch.Generator) -> StochasticDepth:
        """This rank's share of the draw for the whole micro-batch: the same for any number of ranks."""
        rank, ranks = self.rank.rank_in_group, self.rank.group_ranks
        whole = draw_paths(self.network.settings, frames, windows * ranks, generator)
        mine = slice(rank * windows, (rank + 1) * windows)
        return StochasticDepth(whole.time_KB[:, mine], whole.space_KTB[:, :, mine])


def _rotations(rotate: Rotate) -> tuple[Rotation, ...]:
    """The rotations from which one is drawn per micro-batch."""
    if rotate == "half turns":
        return HALF_TURNS
    return ROTATIONS if rotate else (IDENTITY,)
