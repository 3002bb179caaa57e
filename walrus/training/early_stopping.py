"""Early stopping: validation rollouts during training; the best weights are kept.

The reasons are in docs/decisions/0024-the-end-of-a-fine-tuning.md.

Axes: T steps, C channel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from safetensors.torch import save
from torch import Tensor

from shards.disk import write_atomically
from shards.errors import MismatchError
from shards.json_text import line_with_checksum
from shards.read import Dataset
from shards.schema import AtLeastOne, Natural, checked
from walrus.batch import Batch
from walrus.evaluation.metrics import VRMSE, all_measures, channel_units
from walrus.reading.plan import Window
from walrus.reading.reader import Reader
from walrus.rollout import Model, rollout
from walrus.training.distributed import sum_over_ranks
from walrus.training.log import read_lines
from walrus.weights_file import checksums, load_weights

LOG = "validation.jsonl"
BEST = "best.safetensors"
SPACE = 3


@checked
class EarlyStoppingSettings:
    """Short rollouts of the validation split, after every `every` optimiser steps; 0: never.

    Training ends when `patience` validations in a row were not better than the best one before. A validation
    is the mean over rollouts of `steps` steps on the first `trajectories` trajectories.
    """

    every: Natural = 0
    patience: AtLeastOne = 5
    trajectories: AtLeastOne = 4
    steps: AtLeastOne = 10


@checked
class Validation:
    """The mean VRMSE of the rollouts after so many optimiser steps."""

    step: Natural
    error: float


class EarlyStopping:
    """Validates the model between the steps of a run, and keeps the best weights in the folder of the run."""

    def __init__(
        self, settings: EarlyStoppingSettings, model: Model, dataset: Dataset, history: int, folder: Path
    ) -> None:
        self.settings = settings
        self.model = model
        self.dataset = dataset
        self.history = history
        self.folder = folder
        self.seen: list[Validation] = []

    def begin(self, step: int) -> None:
        """Reads the validations of the run up to this step, from which the run continues."""
        self.seen = [seen for seen in read_validations(self.folder) if seen.step <= step]

    def validate(self, step: int, *, last: bool) -> bool:
        """Validates after `step` steps, if it is due or these were the last; returns whether it is the best.

        All ranks must call this.
        """
        if step % self.settings.every and not last:
            return False
        network = self.model.network
        network.eval()
        error = validation_error(self.model, self.dataset, self.history, self.settings)
        network.train()
        (first,) = sum_over_ranks([error if dist.get_rank() == 0 else 0.0])
        self.seen.append(Validation(step, first))
        if dist.get_rank() == 0:
            lines = (line_with_checksum({"step": seen.step, "error": seen.error}) for seen in self.seen)
            write_atomically(self.folder / LOG, b"".join(lines))
        return self.was_best_at(step)

    def was_best_at(self, step: int) -> bool:
        """Whether the best validation is that after so many steps."""
        return bool(self.seen) and self.best.step == step

    @property
    def best(self) -> Validation:
        return best_of(self.seen)

    @property
    def is_over(self) -> bool:
        """Whether the last `patience` validations brought nothing better."""
        return is_over(self.seen, self.settings)

    def keep(self, weights: Mapping[str, Tensor]) -> None:
        """Remembers these weights as the best."""
        tensors = {name: value.contiguous() for name, value in weights.items()}
        write_atomically(self.folder / BEST, save(tensors, checksums(tensors)))

    def best_weights(self) -> dict[str, Tensor]:
        """The weights of the best validation."""
        return load_weights(self.folder / BEST).tensors


def read_validations(folder: Path) -> list[Validation]:
    """The validations of a run so far."""
    return read_lines(folder / LOG, Validation)


def is_done(folder: Path, settings: EarlyStoppingSettings, steps: int) -> bool:
    """Whether a run with early stopping has ended, by early stopping or by the schedule."""
    seen = read_validations(folder)
    return bool(settings.every and seen) and (seen[-1].step == steps or is_over(seen, settings))


def best_of(seen: list[Validation]) -> Validation:
    """The validation with the smallest error; the first one of several."""
    return min(seen, key=lambda validation: validation.error)


def is_over(seen: list[Validation], settings: EarlyStoppingSettings) -> bool:
    """Whether the last `patience` validations brought nothing better."""
    return bool(seen) and len(seen) - 1 - seen.index(best_of(seen)) >= settings.patience


@torch.no_grad()
def validation_error(model: Model, dataset: Dataset, history: int, settings: EarlyStoppingSettings) -> float:
    """VRMSE of rollouts from the first frames, mean over steps, real channels and trajectories; never NaN.

    Raises MismatchError if no validation trajectory is longer than the history.
    """
    reader = Reader(dataset, "valid")
    device = next(model.network.parameters()).device
    units = channel_units(dataset.card)
    errors = []
    for number, entry in enumerate(reader.entries[: settings.trajectories]):
        frames = min(entry.frames, history + settings.steps)
        if frames > history:
            whole = reader.read([Window(number, 0, 1)], reader.buffers(1, frames)).to(device)
            errors.append(_rollout_error(model, whole, history, units))
    if not errors:
        raise MismatchError(
            f"{dataset.files.where()}: no validation trajectory is longer than the history of "
            f"{history} frames; set early_stopping.every to 0, or split the dataset otherwise"
        )
    mean = sum(errors) / len(errors)
    return mean if math.isfinite(mean) else math.inf


def _rollout_error(model: Model, whole: Batch, history: int, units: Tensor) -> float:
    """VRMSE of a rollout from the first `history` frames of one window, mean over steps and real channels."""
    before = replace(whole, fields_BTCHWD=whole.fields_BTCHWD[:, :history])
    steps = whole.fields_BTCHWD.shape[1] - history
    forecast_TCHWD = torch.cat(list(rollout(model, before, steps)))
    real_C = ~whole.padded_C
    scale_C = whole.scale_C[real_C, None, None, None].double()
    truth_TCHWD = whole.fields_BTCHWD[0, history:, real_C] * scale_C
    solid_HWD = whole.solid[0]
    error_TC = all_measures(
        truth_TCHWD,
        forecast_TCHWD[None, :, real_C] * scale_C,
        SPACE,
        units,
        None if solid_HWD.all() else ~solid_HWD,
    )[0, ..., VRMSE]
    return float(error_TC[~error_TC.isnan()].mean())
