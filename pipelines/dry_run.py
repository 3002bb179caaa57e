"""walrus-pretrain --dry-run: what a run would read, compute and need, without reading data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipelines.dataset_facts import DatasetFacts, KnownFrom, facts_of, plan_of
from pipelines.recipe import RunRecipe
from shards.program.byte_size import size_in_words
from shards.remote import Root
from walrus.batch import channels_of
from walrus.model.cost import window_cost
from walrus.reading.plan import MicroBatch, StreamPlan, Task
from walrus.reading.ranks import Rank, count_groups
from walrus.training.fit_memory import in_words
from walrus.training.memory_estimate import (
    MemoryEstimate,
    activations,
    checkpoint_bytes,
    footprint,
    parameter_count,
)
from walrus.training.run_checkpoint import AT_ONCE
from walrus.training.simulate import balanced_times, busy_share
from walrus.vocabulary import PUBLISHED

STEPS_SHOWN = 2
MICRO_BATCHES_SHOWN = 12
STEPS_PREDICTED = 100


@dataclass(frozen=True)
class TaskForecast:
    """A task of the run: its training data, and the cost of one of its micro-batches.

    `starts` is the number of window starts of a pass. Of a micro-batch, `tflop` are the operations forward
    and backward (1e12), `bytes` those of its decoded frames.
    """

    known_from: KnownFrom
    grid: tuple[int, ...]
    weight: int
    trajectories: int
    starts: int
    history: int
    windows: int
    tokens_per_window: int
    tflop_per_window: float
    tflop: float
    bytes: int


@dataclass(frozen=True)
class MicroBatchForecast:
    """A micro-batch of a step, the group that takes it, and its windows: trajectory, first frame, stride."""

    number: int
    group: int
    task: str
    windows: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class RunForecast:
    """All that is known of a run before it starts; `checkpoints` is their size on the disk, in bytes."""

    title: str
    parameters: int
    steps: int
    micro_batches: int
    ranks: int
    groups: int
    tasks: dict[str, TaskForecast]
    first_steps: tuple[tuple[MicroBatchForecast, ...], ...]
    tflop_per_step_and_rank: float
    idle_share: float
    memory: MemoryEstimate
    checkpoints: int

    @property
    def document(self) -> dict[str, Any]:
        """For --json."""
        document = asdict(self)
        document["memory"]["total"] = self.memory.total
        return document


def dry_run(recipe: RunRecipe, root: Root, ranks: int, groups: int | None) -> RunForecast:
    """Predicts what a run would read, compute and need.

    Raises MismatchError if ranks and groups cannot share what a step reads.
    """
    model = recipe.model_settings
    known = {choice.name: facts_of(choice, root) for choice in recipe.datasets}
    plan = plan_of(recipe, known, model)
    engine = recipe.engine
    rank = Rank(0, ranks, count_groups(ranks, engine.zero_stage, engine.mics_shard_size, groups))
    plan.check(rank)

    times_SMG = balanced_times(plan, STEPS_PREDICTED, rank.groups)
    names: list[str] = []
    for facts in known.values():
        names += channels_of(facts.schema)
    count = parameter_count(model, len(PUBLISHED.extend(names)))
    largest = max(
        task.windows // rank.group_ranks * activations(model, known[task.name].schema, task.history)
        for task in plan.tasks
    )
    steps = range(min(STEPS_SHOWN, recipe.schedule.steps))
    return RunForecast(
        title=recipe.title,
        parameters=count.total,
        steps=recipe.schedule.steps,
        micro_batches=plan.micro_batches,
        ranks=ranks,
        groups=rank.groups,
        tasks={task.name: _task(task, known[task.name], recipe) for task in plan.tasks},
        first_steps=tuple(_step(plan, step, rank) for step in steps),
        tflop_per_step_and_rank=float(np.mean(times_SMG.sum(1))) / rank.group_ranks / 1e12,
        idle_share=1 - busy_share(times_SMG, 1),
        memory=footprint(count, engine, rank, largest),
        checkpoints=AT_ONCE * checkpoint_bytes(count, engine),
    )


def _task(task: Task, known: DatasetFacts, recipe: RunRecipe) -> TaskForecast:
    """What one task reads and costs."""
    return TaskForecast(
        known_from=known.origin,
        grid=known.schema.grid.shape,
        weight=task.weight,
        trajectories=len(task.trajectory_frames),
        starts=task.starts,
        history=task.history,
        windows=task.windows,
        tokens_per_window=window_cost(recipe.model_settings, known.schema, task.history).tokens,
        tflop_per_window=task.cost / 1e12,
        tflop=task.micro_batch_cost / 1e12,
        bytes=task.windows * task.frames * known.schema.frame_bytes,
    )


def _step(plan: StreamPlan, step: int, rank: Rank) -> tuple[MicroBatchForecast, ...]:
    """The micro-batches of a step, each with the group that takes it."""
    group_of: dict[int, int] = {}
    for group in range(rank.groups):
        first_of_group = Rank(group * rank.group_ranks, rank.ranks, rank.groups)
        for micro in plan.of_group(step, first_of_group):
            group_of[micro.number] = group
    return tuple(_micro_batch(micro, group_of[micro.number]) for micro in plan.step(step))


def _micro_batch(micro: MicroBatch, group: int) -> MicroBatchForecast:
    windows = tuple((window.trajectory, window.first, window.stride) for window in micro.windows)
    return MicroBatchForecast(micro.number, group, micro.task, windows)


def dry_run_text(run: RunForecast) -> str:
    """The forecast for people: a table of tasks, the first steps, computation and memory."""
    width = max(len(name) for name in run.tasks)
    head = f"{'task':{width}} {'known from':>10} {'grid':>12} {'starts':>9} {'windows':>7} {'tokens':>7}"
    lines = [
        f"{run.title}: {run.parameters / 1e6:.1f} million parameters, {run.steps} steps of "
        f"{_micro_batches(run.micro_batches)} on {_ranks(run)}",
        "",
        f"{head} {'TFLOP':>8} {'MB':>8}",
    ]
    for name, task in run.tasks.items():
        grid = "x".join(map(str, task.grid))
        lines.append(
            f"{name:{width}} {task.known_from:>10} {grid:>12} {task.starts:>9} {task.windows:>7} "
            f"{task.windows * task.tokens_per_window:>7} {task.tflop:>8.3g} {task.bytes / 1e6:>8.1f}"
        )
    lines += [
        "Starts: window starts of a pass. The other columns are for one micro-batch: windows, tokens,",
        "operations forward and backward, decoded bytes.",
        "",
        "The first micro-batches. Each window is trajectory:first frame+stride.",
    ]
    for step, micros in enumerate(run.first_steps):
        lines += [_line(step, micro, width) for micro in micros[:MICRO_BATCHES_SHOWN]]
        if len(micros) > MICRO_BATCHES_SHOWN:
            lines.append(f"step {step}: {len(micros) - MICRO_BATCHES_SHOWN} more (all with --json)")
    lines += [
        "",
        f"A rank computes {run.tflop_per_step_and_rank:.3g} TFLOP per step and waits for others "
        f"{100 * run.idle_share:.1f} % of the time (predicted from the costs).",
        f"Memory of a rank, in single precision: {in_words(run.memory)}.",
        f"Disk: {AT_ONCE} checkpoints take {size_in_words(run.checkpoints)}.",
    ]
    return "\n".join(lines)


def _micro_batches(count: int) -> str:
    return "one micro-batch" if count == 1 else f"{count} micro-batches"


def _ranks(run: RunForecast) -> str:
    if run.groups == 1:
        return f"{run.ranks} ranks in one group" if run.ranks > 1 else "1 rank"
    return f"{run.ranks} ranks in {run.groups} groups"


def _line(step: int, micro: MicroBatchForecast, width: int) -> str:
    windows = " ".join(f"{trajectory}:{first}+{stride}" for trajectory, first, stride in micro.windows)
    return f"step {step} group {micro.group:<3} {micro.task:{width}} {windows}"
