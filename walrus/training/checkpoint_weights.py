"""The weights of a network, read from the last checkpoint of its run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from shards.errors import MismatchError
from walrus.training.objective import TrainingObjective
from walrus.training.resume import CHECKPOINTS
from walrus.training.run_checkpoint import RunCheckpoint


@dataclass(frozen=True)
class CheckpointWeights:
    """Reads the weights of a network from the last checkpoint of a run.

    `shapes` are those of the parameters that are trained. `rest` are the weights that are not trained, and so
    in no checkpoint. `kind` is WEIGHT or AVERAGE.
    """

    run: Path
    shapes: dict[str, torch.Size]
    rest: dict[str, torch.Tensor]
    kind: str

    @classmethod
    def of(cls, objective: TrainingObjective, run: Path, kind: str) -> CheckpointWeights:
        """Copies the shapes and the untrained weights of an objective, before it trains."""
        shapes = {name: value.shape for name, value in objective.named_parameters() if value.requires_grad}
        rest = {name: value.clone() for name, value in objective.state_dict().items() if name not in shapes}
        return cls(run, shapes, rest, kind)

    def read(self) -> dict[str, torch.Tensor]:
        """All weights, by their names in the network."""
        saved = RunCheckpoint.last(self.run / CHECKPOINTS)
        if saved is None:
            raise MismatchError(
                f"{self.run}: holds no checkpoint after training; is the folder shared by all machines?"
            )
        values = saved.tensors(self.kind, self.shapes) | self.rest
        return {name.removeprefix("network."): value for name, value in values.items()}
