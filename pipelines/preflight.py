"""Checks before the first step that otherwise would end a run after hours of training."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from pipelines.job import Job
from shards.errors import MismatchError
from shards.program.byte_size import size_in_words
from shards.program.checkup import Finding, folder_finding, machine_findings
from shards.program.machine import usable_memory
from shards.schema import Split
from walrus.model.cost import cost_of
from walrus.reading.ranks import Rank, count_groups
from walrus.reading.stream import Shards
from walrus.training.distributed import LauncherRank
from walrus.training.fit_memory import TrainingLoad, process_bytes, step_footprint
from walrus.training.memory_estimate import checkpoint_bytes, parameter_count
from walrus.training.run_checkpoint import AT_ONCE

# Exists if the machine has an NVIDIA GPU, even if torch cannot use it.
NVIDIA = Path("/dev/nvidiactl")


def check_run(job: Job, shards: Shards) -> None:
    """Raises MismatchError if a run could not be saved or evaluated, or would use up the memory.

    The reasons are in docs/decisions/0070-limits-of-the-machine.md.
    """
    count = parameter_count(job.model, len(job.vocabulary))
    room = AT_ONCE * checkpoint_bytes(count, job.recipe.engine)
    require_writable(job.run, room, f" for {AT_ONCE} checkpoints")
    _check_machine(_ranks_here(job))
    _check_splits(job, shards)
    _check_memory(job, shards)


def device_findings() -> list[Finding]:
    """The devices on which torch and DeepSpeed compute."""
    if torch.cuda.is_available():
        cards = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
        words = [f"{card.name} {size_in_words(card.total_memory)}" for card in cards]
        return [Finding("GPUs", ", ".join(words))]
    if NVIDIA.exists():
        problem = "the machine has a GPU that torch cannot use; install torch for CUDA, or update the driver"
        return [Finding("GPUs", f"none for torch {torch.__version__}", problem)]
    return [Finding("GPUs", "none; training uses the CPU")]


def require_writable(out: Path, needed: int = 0, what: str = "", option: str = "--out") -> None:
    """Raises MismatchError if a folder cannot be made, or its disk lacks room; it is not made here.

    The message names the `option` that gives the folder.
    """
    problem = folder_finding("out", out, needed, what).problem
    if problem:
        raise MismatchError(f"{problem} ({option})")


def _check_machine(ranks: int) -> None:
    """Raises MismatchError if ranks would lack open files, shared memory, temporary files or time."""
    for finding in machine_findings(ranks):
        if finding.problem:
            raise MismatchError(f"{finding.subject}: {finding.problem}")


def _check_memory(job: Job, shards: Shards) -> None:
    """Raises MismatchError if a step of all ranks of this machine needs more memory than it has.

    Only for CPUs: a GPU reports this at the first step, but the system kills a process that needs more memory
    than its container has, without a message.
    """
    if torch.cuda.is_available():
        return
    here = _ranks_here(job)
    needed, memory = here * _process_bytes(job, shards), usable_memory()
    if needed > memory:
        raise MismatchError(
            f"{job.run}: a step takes about {size_in_words(needed)} of memory on {here} ranks, and this "
            f"machine, container or job has {size_in_words(memory)}; lower stream.windows_2d and windows_3d, "
            "recompute activations (checkpoint_every = 1 of the model), or ask for more memory"
        )


def _ranks_here(job: Job) -> int:
    """Number of ranks on this machine; 1 if a launcher does not say it."""
    return job.ranks if LauncherRank.find() is None else int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _process_bytes(job: Job, shards: Shards) -> float:
    """The most memory of one rank: in a step on its largest task, with the decoded frames that it keeps."""
    recipe, launched = job.recipe, LauncherRank.find()
    engine = recipe.engine
    ranks = job.ranks if launched is None else launched.ranks
    rank = Rank(0, ranks, count_groups(ranks, engine.zero_stage, engine.mics_shard_size, job.groups))
    largest, frames = 0.0, 0
    for dataset in shards.datasets.values():
        schema = dataset.card.schema
        load = TrainingLoad(
            columns=len(job.vocabulary),
            tuning=recipe.tuning,
            schema=schema,
            history=recipe.stream.history(len(schema.grid.axes)),
            windows=max(1, recipe.stream.windows(schema, cost_of(job.model)) // rank.group_ranks),
            rank=rank,
        )
        largest = max(largest, process_bytes(step_footprint(job.model, engine, load)))
        frames += schema.frame_bytes * sum(entry.frames for entry in dataset.entries("train"))
    return largest + min(frames, recipe.reading.frame_store)


def _check_splits(job: Job, shards: Shards) -> None:
    """Raises MismatchError if a dataset lacks trajectories for early stopping or the evaluation."""
    stream = job.recipe.stream
    for number, dataset in enumerate(shards.datasets.values()):
        history = stream.history(len(dataset.card.schema.grid.axes))
        splits: list[Split] = ["test"]
        # Early stopping uses the first dataset.
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
