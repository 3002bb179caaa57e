"""Checks before the first step: what would otherwise end a run after hours of training."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pipelines.run import Job
from shards.errors import MismatchError
from shards.program.byte_size import size_in_words
from shards.schema import Split
from walrus.reading.stream import Shards
from walrus.training.memory_estimate import checkpoint_bytes, parameters
from walrus.training.run_checkpoint import AT_ONCE


def check_run(job: Job, shards: Shards) -> None:
    """Raises MismatchError where a run could not save its state, or not be evaluated in the end."""
    require_writable(job.run)
    _check_room(job)
    _check_splits(job, shards)


def require_writable(out: Path) -> None:
    """Raises MismatchError where a folder cannot be made or written; makes nothing."""
    nearest = _existing(out)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise MismatchError(f"{out}: cannot be written, {nearest} does not allow it; give another --out")


def _check_room(job: Job) -> None:
    """Whether the disk of the run has room for its checkpoints."""
    count = parameters(job.model, len(job.vocabulary))
    needed = AT_ONCE * checkpoint_bytes(count, job.recipe.engine)
    free = shutil.disk_usage(_existing(job.run)).free
    if free < needed:
        raise MismatchError(
            f"{job.run}: the disk has {size_in_words(free)} free; {AT_ONCE} checkpoints take "
            f"{size_in_words(needed)}; free some, or give another --out"
        )


def _existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())


def _check_splits(job: Job, shards: Shards) -> None:
    """Whether each dataset has the trajectories that training, early stopping and evaluation read."""
    stream = job.recipe.stream
    for number, dataset in enumerate(shards.datasets.values()):
        history = stream.history(len(dataset.card.schema.grid.axes))
        splits: list[Split] = ["test"]
        # Early stopping looks at the first dataset.
        if number == 0 and job.recipe.early_stopping.every:
            splits.append("valid")
        for split in splits:
            longest = max((entry.frames for entry in dataset.entries(split)), default=0)
            if longest <= history:
                raise MismatchError(
                    f"{dataset.files.where()}: the longest {split} trajectory has {longest} frames, and the "
                    f"model looks back {history}; the run could not be evaluated: build the dataset with "
                    f"longer {split} trajectories, or shorten the history (stream.history_2d, history_3d)"
                )
