"""The exponential average of the weights over the steps; each rank has the part of its weights."""

from __future__ import annotations

from dataclasses import replace

import torch

from walrus.training.run_checkpoint import AVERAGE, Fragment


class WeightAverage:
    """Averages the weights of this rank: average += (1 - decay) (weight - average) after each step.

    The decay of step n is at most (1 + n) / (10 + n); otherwise the average of a short run would still
    contain its initial weights.
    """

    def __init__(self, decay: float, weights: list[Fragment]) -> None:
        self.decay = decay
        self.weights = [piece.values for piece in weights]
        self.fragments = [replace(piece, kind=AVERAGE, values=piece.values.clone()) for piece in weights]

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Adds the weights after step number `step` (0, 1, ...)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        # A rank of many may hold nothing of a few small weights.
        if self.fragments:
            torch._foreach_lerp_([piece.values for piece in self.fragments], self.weights, 1 - decay)
