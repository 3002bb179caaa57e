"""The exponential average of the weights over the steps, partitioned as the weights are."""

from __future__ import annotations

from dataclasses import replace

import torch

from walrus.training.run_checkpoint import AVERAGE, Fragment


class WeightAverage:
    """Follows the weights of this rank: average += (1 - decay) (weight - average) after each step.

    Early steps count for more, or a short run would average its initial weights: the decay of step n is at
    most (1 + n) / (10 + n).
    """

    def __init__(self, decay: float, weights: list[Fragment]) -> None:
        self.decay = decay
        self.weights = [piece.values for piece in weights]
        self.fragments = [replace(piece, kind=AVERAGE, values=piece.values.clone()) for piece in weights]

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Takes in the weights that step number `step` (0, 1, ...) has left."""
        decay = min(self.decay, (1 + step) / (10 + step))
        # A rank of many may hold nothing of a few small weights.
        if self.fragments:
            torch._foreach_lerp_([piece.values for piece in self.fragments], self.weights, 1 - decay)
