"""fit(): the training loop, of pretraining and fine-tuning alike."""

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

from shards.counted import counted
from shards.errors import MismatchError, StoppedError, WalrusError
from shards.program.console import say
from shards.program.signals import noticed
from shards.schema import AtLeastOne, Positive, checked
from walrus.batch import Batch
from walrus.device import device
from walrus.reading.plan import MicroBatch, StreamPlan
from walrus.reading.stream import Shards, stream
from walrus.training.checkpoint_weights import CheckpointWeights
from walrus.training.checkpoint_writer import CheckpointWriter
from walrus.training.compiled_blocks import compile_blocks, pass_shapes, warm_up
from walrus.training.distributed import sum_over_ranks
from walrus.training.early_stopping import EarlyStopping
from walrus.training.engine import Engine, allow_tf32
from walrus.training.engine_settings import EngineSettings
from walrus.training.log import RunLog, StepRecord
from walrus.training.loss import Loss
from walrus.training.objective import TrainingObjective
from walrus.training.prefetch import prefetch_to_device
from walrus.training.profile import traced
from walrus.training.resume import CHECKPOINTS
from walrus.training.rollout_training import steps_ahead
from walrus.training.run_checkpoint import AVERAGE, WEIGHT, Checkpoint, Identity, RunCheckpoint
from walrus.training.schedule import ScheduleSettings, learning_rate


@checked
class TrainSettings:
    """What a run needs besides its model, its data and its optimiser."""

    seed: int = 0
    jitter: bool = True
    # The smallest RMS to divide by: see docs/decisions/0023-whose-rms.md.
    eps: Positive = 1e-5
    # sample: divide by the RMS of each window. dataset: by that of the whole dataset, from its card.
    normalise: Literal["sample", "dataset"] = "sample"
    # What the network learns to make small: docs/decisions/0189-the-loss.md.
    loss: Loss = "mae"
    checkpoint_every: AtLeastOne = 1000
    # Write checkpoints while the next steps are computed: docs/decisions/0135-checkpoints-during-training.md.
    async_checkpoints: bool = True

    @property
    def identity(self) -> dict[str, JsonValue]:
        """The settings that the losses depend on; the published loss is not named, as in older runs."""
        found: dict[str, JsonValue] = {
            "seed": self.seed,
            "jitter": self.jitter,
            "eps": self.eps,
            "normalise": self.normalise,
        }
        return found if self.loss == "mae" else {**found, "loss": self.loss}


class DivergedError(WalrusError, ArithmeticError):
    """A loss or a gradient is not finite."""


class StoppedTogetherError(StoppedError):
    """A signal stopped the run: all ranks stopped after the same step and wrote a checkpoint."""


Report = Callable[[StepRecord], None]
Batches = Iterator[tuple[MicroBatch, Batch]]


def fit(
    objective: TrainingObjective,
    *,
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
    early_stopping: EarlyStopping | None = None,
) -> dict[str, torch.Tensor]:
    """Trains from the checkpoint `saved`, or from the start, to the end of the schedule.

    It ends earlier at step `stop_at`, or when `early_stopping` sees no more progress. `identity` is written
    into each checkpoint: a run with another identity cannot continue from it. Rank 0 reports each step.

    On rank 0 it returns the weights of the network: the best with early stopping, averaged ones if the engine
    averages, otherwise the last. Raises DivergedError if a loss or a gradient is not finite, and after a
    signal StoppedTogetherError, with a checkpoint.
    """
    is_first = dist.get_rank() == 0
    plan.check(objective.rank)
    first, last = _first_and_last(run, schedule, stop_at, saved)
    weights = CheckpointWeights.of(objective, run, AVERAGE if engine_settings.ema else WEIGHT)
    engine = _engine(objective, plan, shards, engine_settings, saved)
    writer = CheckpointWriter(run / CHECKPOINTS)
    log = RunLog(run, first) if is_first else None
    batches = prefetch_to_device(stream(plan, shards, first, last, objective.rank), device())
    if early_stopping:
        _begin_validation(early_stopping, weights, first)
    objective.train()
    with log or nullcontext(), noticed() as notice, traced(trace, dist.get_rank()) as count_step:
        for step in range(first, last):
            try:
                record = _step(engine, objective, batches, plan, schedule, step=step, steps=last)
            except DivergedError:
                # All ranks raise this error, and the checkpoint that they were writing is good.
                writer.finish()
                raise
            if log:
                log.write(record)
                report(record)
            count_step()

            done = step + 1
            stopped, still_writing = _on_any_rank(notice.signal is not None, writer.is_writing)
            if not still_writing:
                writer.finish()
            is_best = early_stopping is not None and early_stopping.validate(done, last=done == last)
            needed_now = stopped or is_best
            if needed_now or done % settings.checkpoint_every == 0 or done == last:
                wait = needed_now or not settings.async_checkpoints
                _save(engine, writer, done, identity or {}, shards, wait=wait)
            if early_stopping and is_best and is_first:
                early_stopping.keep(weights.read())
            if early_stopping and early_stopping.is_over:
                break
            if stopped and done < last:
                raise StoppedTogetherError(
                    f"{run}: stopped by a signal after step {done}; the same command continues"
                )
        writer.finish()
    if not is_first:
        return {}
    return early_stopping.best_weights() if early_stopping else weights.read()


def _begin_validation(early_stopping: EarlyStopping, weights: CheckpointWeights, first: int) -> None:
    """Reads the validations before this step, and keeps the weights of this step if they are the best."""
    early_stopping.begin(first)
    if dist.get_rank() == 0 and early_stopping.was_best_at(first):
        # The run may have been killed after this checkpoint and before the weights were kept.
        early_stopping.keep(weights.read())


def _engine(
    objective: TrainingObjective,
    plan: StreamPlan,
    shards: Shards,
    engine_settings: EngineSettings,
    saved: RunCheckpoint | None,
) -> Engine:
    """The engine on the device of this rank, with its blocks compiled if asked for."""
    engine_settings.check_machine(gpu=torch.cuda.is_available())
    objective.to(device())
    if engine_settings.compile:
        _compile(objective, plan, shards, engine_settings)
    return Engine(objective, engine_settings, len(plan.of_group(0, objective.rank)), saved)


def _compile(
    objective: TrainingObjective, plan: StreamPlan, shards: Shards, engine_settings: EngineSettings
) -> None:
    """Compiles the blocks for all shapes of micro-batches, and prints how long this took.

    This happens before the engine adds its hooks to the gradients, and before ranks wait for each other.
    """
    # A graph is for the precision in which it was compiled.
    allow_tf32(engine_settings.tf32)
    autocast = torch.bfloat16 if engine_settings.autocast else None
    settings, blocks = objective.network.settings, objective.network.blocks
    shapes = pass_shapes(settings, plan, shards, objective.rank.group_ranks)
    is_first = dist.get_rank() == 0
    if is_first:
        some = counted(len(shapes), "shape")
        say(f"compiling the blocks for {some} of micro-batches; this can take minutes")
    compile_blocks(blocks)
    objective.train()
    seconds = warm_up(blocks[0], settings, shapes, device(), autocast)
    if is_first:
        say(f"compiled the blocks in {seconds:.0f} s; the steps run at full speed from now on")


def _first_and_last(
    run: Path, schedule: ScheduleSettings, stop_at: int | None, saved: RunCheckpoint | None
) -> tuple[int, int]:
    """The first step of a run, and the step before which it ends; raises MismatchError if none is left."""
    first = saved.checkpoint.step if saved is not None else 0
    last = min(schedule.steps, stop_at or schedule.steps)
    if first > last:
        raise MismatchError(
            f"{run}: its checkpoint at step {first} is beyond the last step, {last}; "
            "give another --out, or more steps"
        )
    return first, last


def _save(
    engine: Engine, writer: CheckpointWriter, step: int, identity: Identity, shards: Shards, *, wait: bool
) -> None:
    """Starts to write a checkpoint of the state after `step` steps; with `wait`, until it is written."""
    # A dataset that was rebuilt may have other values than those with which the run started.
    for dataset in shards.datasets.values():
        dataset.require_unchanged()
    parts = {part: dict(values) for part, values in identity.items()}
    writer.begin(Checkpoint(step, dist.get_world_size(), engine.updates, parts), engine.fragments())
    if wait:
        writer.finish()


def _on_any_rank(*facts: bool) -> tuple[bool, ...]:
    """Whether each of these is so on any rank: a signal may reach the ranks in different steps."""
    return tuple(count > 0 for count in sum_over_ranks([float(fact) for fact in facts]))


def _step(
    engine: Engine,
    objective: TrainingObjective,
    batches: Batches,
    plan: StreamPlan,
    schedule: ScheduleSettings,
    *,
    step: int,
    steps: int,
) -> StepRecord:
    """One optimiser step: the micro-batches of this rank's group, then the update with the gradient of all.

    Raises DivergedError if a loss or the gradient is not finite; the weights are then unchanged.
    """
    began = time.perf_counter()
    waited = 0.0
    tokens = 0
    micros, rank = plan.step(step), objective.rank
    rate = learning_rate(schedule, step)
    ahead = steps_ahead(objective.rollout, step / schedule.steps, objective.seed, step)
    # The losses of this rank by micro-batch. Those of other groups are 0 here, and are added at the end.
    # They stay on the device until then, because to read one is to wait for all that is queued.
    places = {micro.number: place for place, micro in enumerate(micros)}
    losses_M = torch.zeros(len(micros), dtype=torch.float64, device=device())
    own = len(micros) // rank.groups
    for position in range(own):
        asked = time.perf_counter()
        micro, batch = next(batches)
        waited += time.perf_counter() - asked
        loss = engine.loss(batch, micro.number, ahead)
        losses_M[places[micro.number]] = loss.detach()
        engine.backward(loss)
        tokens += objective.tokens(batch)
        if position + 1 < own:
            engine.count()

    *totals, tokens_of_all = sum_over_ranks([*losses_M.tolist(), float(tokens)])
    means = [total / rank.group_ranks for total in totals]
    _check_losses(step, micros, means)
    norm = engine.step(rate)
    if not math.isfinite(norm):
        raise DivergedError(
            f"step {step}, the gradient of {'; '.join(map(_name, micros))}: its norm is {norm}, though the "
            "losses are finite; lower the learning rate, or look at these windows"
        )
    return StepRecord(
        step=step,
        steps=steps,
        loss=sum(means) / len(means),
        losses=_mean_by_task(micros, means),
        rate=rate,
        norm=norm,
        windows=sum(len(micro.windows) for micro in micros),
        tokens=round(tokens_of_all),
        seconds=time.perf_counter() - began,
        waited=waited,
    )


def _mean_by_task(micros: tuple[MicroBatch, ...], losses: list[float]) -> dict[str, float]:
    by_task: dict[str, list[float]] = {}
    for micro, loss in zip(micros, losses, strict=True):
        by_task.setdefault(micro.task, []).append(loss)
    return {task: sum(values) / len(values) for task, values in by_task.items()}


def _check_losses(step: int, micros: tuple[MicroBatch, ...], losses: list[float]) -> None:
    """Raises DivergedError with the name of the first micro-batch whose loss is not finite."""
    for micro, loss in zip(micros, losses, strict=True):
        if not math.isfinite(loss):
            raise DivergedError(
                f"step {step}, {_name(micro)}: the loss is {loss}; lower the learning rate, or look at these "
                "windows"
            )


def _name(micro: MicroBatch) -> str:
    windows = ", ".join(f"{w.trajectory}:{w.first}+{w.stride}" for w in micro.windows)
    return f"micro-batch {micro.number} of {micro.task} (training trajectory:first frame+stride {windows})"
