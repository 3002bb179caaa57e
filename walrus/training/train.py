"""fit(): the only training loop. Pretraining and fine-tuning differ in what they hand to it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import torch
import torch.distributed as dist
from pydantic import JsonValue

from shards.errors import MismatchError, StoppedError, WalrusError
from shards.schema import AtLeastOne, Positive, checked
from walrus.batch import Batch
from walrus.device import device
from walrus.reading.plan import MicroBatch, StreamPlan
from walrus.reading.stream import Shards, stream
from walrus.training.distributed import sum_over_ranks
from walrus.training.early_stopping import EarlyStopping
from walrus.training.engine import Engine, EngineSettings
from walrus.training.log import Log, StepRecord
from walrus.training.objective import TrainingObjective
from walrus.training.profile import traced
from walrus.training.resume import CHECKPOINTS
from walrus.training.run_checkpoint import AVERAGE, WEIGHT, Checkpoint, Identity, RunCheckpoint, save
from walrus.training.schedule import ScheduleSettings, learning_rate
from walrus.training.signals import Notice, noticed


@checked
class TrainSettings:
    """What is left to say of a run beside its model, its data and its optimiser."""

    seed: int = 0
    jitter: bool = True
    # Added below every RMS that is divided by (walrus.normalize).
    eps: Positive = 1e-5
    # Whose RMS that is: of each window, or of the whole dataset, as its card has it.
    normalise: Literal["sample", "dataset"] = "sample"
    checkpoint_every: AtLeastOne = 1000

    @property
    def identity(self) -> dict[str, JsonValue]:
        """The settings that the losses depend on."""
        return {"seed": self.seed, "jitter": self.jitter, "eps": self.eps, "normalise": self.normalise}


class DivergedError(WalrusError, ArithmeticError):
    """A loss or a gradient is not finite."""


Report = Callable[[StepRecord], None]
Batches = Iterator[tuple[MicroBatch, Batch]]


def fit(
    trainee: TrainingObjective,
    plan: StreamPlan,
    shards: Shards,
    engine_settings: EngineSettings,
    schedule: ScheduleSettings,
    settings: TrainSettings,
    run: Path,
    report: Report,
    stop_at: int | None = None,
    identity: Identity | None = None,
    saved: RunCheckpoint | None = None,
    trace: Path | None = None,
    watch: EarlyStopping | None = None,
) -> dict[str, torch.Tensor]:
    """Trains to the end of the schedule (or to `stop_at`, or until `watch` has seen enough), going on from `saved`.

    Returns all weights of the network, averaged ones where the engine averages, the best ones where they are
    watched, on rank 0 (on the others nothing).
    `identity` is what a checkpoint is said to belong to. Raises DivergedError where a loss or a gradient is not finite,
    StoppedError after a signal, with a checkpoint left.
    """
    rank = dist.get_rank()
    engine_settings.check_machine(torch.cuda.is_available())
    plan.check(trainee.place)
    first = saved.checkpoint.step if saved is not None else 0
    last = min(schedule.steps, stop_at or schedule.steps)
    if first > last:
        raise MismatchError(
            f"{run}: its checkpoint at step {first} is beyond the last step, {last}; give another --out, or more steps"
        )
    shapes = {name: value.shape for name, value in trainee.named_parameters() if value.requires_grad}
    rest = {name: value.clone() for name, value in trainee.state_dict().items() if name not in shapes}
    trainee.to(device())
    if engine_settings.compile:
        for block in trainee.network.blocks:
            block.compile()
    engine = Engine(trainee, engine_settings, len(plan.of_group(0, trainee.place)), saved)
    log = Log(run, first) if rank == 0 else None
    batches = stream(plan, shards, first, last, trainee.place)
    if watch:
        watch.begin(first)
        if rank == 0 and watch.was_best_at(first):
            # The run may have been killed after this checkpoint and before the weights were kept.
            watch.keep(_weights(run, shapes, rest, engine_settings.ema > 0))
    trainee.train()
    with log or nullcontext(), noticed() as notice, traced(trace, rank) as look:
        for step in range(first, last):
            progress = _step(engine, trainee, batches, plan, step, learning_rate(schedule, step), last)
            if log:
                log.write(progress)
                report(progress)
            look()
            stopped = _anyone_stopped(notice)
            better = watch is not None and watch.is_better(step + 1, step + 1 == last)
            if (step + 1) % settings.checkpoint_every == 0 or step + 1 == last or stopped or better:
                _save(engine, run, step + 1, identity or {})
            if watch and better and rank == 0:
                watch.keep(_weights(run, shapes, rest, engine_settings.ema > 0))
            if watch and watch.is_over:
                break
            if stopped and step + 1 < last:
                raise StoppedError(
                    f"{run}: told to stop after step {step + 1}; the same command goes on from there"
                )
    if rank > 0:
        return {}
    return watch.best_weights() if watch else _weights(run, shapes, rest, engine_settings.ema > 0)


def _save(engine: Engine, run: Path, step: int, identity: Identity) -> None:
    fragments = engine.fragments()
    parts = {part: dict(values) for part, values in identity.items()}
    save(run / CHECKPOINTS, Checkpoint(step, dist.get_world_size(), engine.updates, parts), fragments)


def _anyone_stopped(notice: Notice) -> bool:
    """Whether any rank was told to stop: the signal does not reach all of them within one step."""
    (signals,) = sum_over_ranks([float(notice.signal is not None)])
    return signals > 0


def _weights(
    run: Path, shapes: dict[str, torch.Size], rest: dict[str, torch.Tensor], averaged: bool
) -> dict[str, torch.Tensor]:
    """The network's weights of the last checkpoint, with those that were not trained."""
    saved = RunCheckpoint.last(run / CHECKPOINTS)
    if saved is None:
        raise MismatchError(
            f"{run}: holds no checkpoint after training; is the folder shared by all machines?"
        )
    values = saved.tensors(AVERAGE if averaged else WEIGHT, shapes) | rest
    return {name.removeprefix("network."): value for name, value in values.items()}


def _step(
    engine: Engine,
    trainee: TrainingObjective,
    batches: Batches,
    plan: StreamPlan,
    step: int,
    rate: float,
    steps: int,
) -> StepRecord:
    began = time.perf_counter()
    waited = 0.0
    tokens = 0
    micros, place = plan.step(step), trainee.place
    # Other groups add theirs at the end of the step.
    parts = dict.fromkeys((micro.number for micro in micros), 0.0)
    own = len(micros) // place.groups
    for position in range(own):
        asked = time.perf_counter()
        micro, batch = next(batches)
        waited += time.perf_counter() - asked
        loss = engine.loss(batch.to(device()), micro.number)
        # Waits for the forward pass, so the batch's memory may be used again; the backward pass runs on
        # meanwhile.
        parts[micro.number] = float(loss.detach())
        engine.backward(loss)
        tokens += trainee.tokens(batch)
        if position + 1 < own:
            engine.count()
    *totals, tokens_of_all = sum_over_ranks([*parts.values(), float(tokens)])
    means = [total / place.group_ranks for total in totals]
    _check_losses(step, micros, means)
    norm = engine.step(rate)
    if not math.isfinite(norm):
        raise DivergedError(
            f"step {step}, the gradient of {'; '.join(map(_name, micros))}: its norm is {norm}, though the losses are "
            "finite; lower the learning rate, or look at these windows"
        )
    by_task: dict[str, list[float]] = {}
    for micro, value in zip(micros, means, strict=True):
        by_task.setdefault(micro.task, []).append(value)
    return StepRecord(
        step=step,
        steps=steps,
        loss=sum(means) / len(means),
        losses={task: sum(values) / len(values) for task, values in by_task.items()},
        rate=rate,
        norm=norm,
        windows=sum(len(micro.windows) for micro in micros),
        tokens=round(tokens_of_all),
        seconds=time.perf_counter() - began,
        waited=waited,
    )


def _check_losses(step: int, micros: tuple[MicroBatch, ...], losses: list[float]) -> None:
    for micro, loss in zip(micros, losses, strict=True):
        if not math.isfinite(loss):
            raise DivergedError(
                f"step {step}, {_name(micro)}: the loss is {loss}; lower the learning rate, or look at these windows"
            )


def _name(micro: MicroBatch) -> str:
    windows = ", ".join(f"{w.trajectory}:{w.first}+{w.stride}" for w in micro.windows)
    return f"micro-batch {micro.number} of {micro.task} (training trajectory:first frame+stride {windows})"
