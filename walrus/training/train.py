"""fit(): the training loop of pretraining and fine-tuning; they differ in the arguments."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import torch.distributed as dist
from pydantic import JsonValue

from shards.errors import MismatchError, StoppedError, WalrusError
from shards.program.console import say
from shards.program.signals import Notice, noticed
from shards.schema import AtLeastOne, Positive, checked
from walrus.batch import Batch
from walrus.device import device
from walrus.reading.plan import MicroBatch, StreamPlan
from walrus.reading.stream import Shards, stream
from walrus.training.checkpoint_writer import CheckpointWriter
from walrus.training.compiled_blocks import compile_blocks, pass_shapes, warm_up
from walrus.training.copies import copied
from walrus.training.distributed import sum_over_ranks
from walrus.training.early_stopping import EarlyStopping
from walrus.training.engine import Engine, allow_tf32
from walrus.training.engine_settings import EngineSettings
from walrus.training.log import Log, StepRecord
from walrus.training.objective import TrainingObjective
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
    # The least RMS to divide by: see docs/decisions/0023-whose-rms.md.
    eps: Positive = 1e-5
    # Whose RMS that is: of each window, or of the whole dataset, as its card has it.
    normalise: Literal["sample", "dataset"] = "sample"
    checkpoint_every: AtLeastOne = 1000
    # Write checkpoints while the next steps are computed: docs/decisions/0135-checkpoints-during-training.md.
    async_checkpoints: bool = True

    @property
    def identity(self) -> dict[str, JsonValue]:
        """The settings that the losses depend on."""
        return {"seed": self.seed, "jitter": self.jitter, "eps": self.eps, "normalise": self.normalise}


class DivergedError(WalrusError, ArithmeticError):
    """A loss or a gradient is not finite."""


class StoppedTogetherError(StoppedError):
    """A signal stopped the run: all ranks agreed on the step and wrote a checkpoint."""


Report = Callable[[StepRecord], None]
Batches = Iterator[tuple[MicroBatch, Batch]]


@dataclass(frozen=True)
class CheckpointWeights:
    """The weights of a network as the last checkpoint of a run has them.

    `shapes` are those of the parameters that are trained; `rest` is what no checkpoint holds, as it does not
    change. `kind` is WEIGHT or AVERAGE.
    """

    run: Path
    shapes: dict[str, torch.Size]
    rest: dict[str, torch.Tensor]
    kind: str

    @classmethod
    def of(cls, objective: TrainingObjective, run: Path, kind: str) -> CheckpointWeights:
        """Notes shapes and untrained weights of an objective, before it trains."""
        shapes = {name: value.shape for name, value in objective.named_parameters() if value.requires_grad}
        rest = {name: value.clone() for name, value in objective.state_dict().items() if name not in shapes}
        return cls(run, shapes, rest, kind)

    def read(self) -> dict[str, torch.Tensor]:
        """All weights by the names that the network gives them."""
        saved = RunCheckpoint.last(self.run / CHECKPOINTS)
        if saved is None:
            raise MismatchError(
                f"{self.run}: holds no checkpoint after training; is the folder shared by all machines?"
            )
        values = saved.tensors(self.kind, self.shapes) | self.rest
        return {name.removeprefix("network."): value for name, value in values.items()}


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
    """Trains from `saved`, or from the start, to the end of the schedule.

    It ends before that at step `stop_at`, or when `early_stopping` sees no progress any more. `identity` is
    written into each checkpoint: a run that differs from it cannot go on from there.

    Returns all weights of the network on rank 0, nothing on the others: the best ones where there is early
    stopping, averaged ones where the engine averages. Raises DivergedError where a loss or a gradient is not
    finite, and StoppedTogetherError after a signal, with a checkpoint left.
    """
    is_first = dist.get_rank() == 0
    engine_settings.check_machine(torch.cuda.is_available())
    plan.check(objective.rank)
    first, last = _first_and_last(run, schedule, stop_at, saved)
    weights = CheckpointWeights.of(objective, run, AVERAGE if engine_settings.ema else WEIGHT)
    engine = _engine(objective, plan, shards, engine_settings, saved)
    writer = CheckpointWriter(run / CHECKPOINTS)
    log = Log(run, first) if is_first else None
    batches = copied(stream(plan, shards, first, last, objective.rank), device())
    if early_stopping:
        _begin_validation(early_stopping, weights, first)
    objective.train()
    with log or nullcontext(), noticed() as notice, traced(trace, dist.get_rank()) as look:
        for step in range(first, last):
            try:
                record = _step(engine, objective, batches, plan, schedule, step=step, steps=last)
            except DivergedError:
                # All ranks are here, and what they were writing is good.
                writer.finish()
                raise
            if log:
                log.write(record)
                report(record)
            look()

            done = step + 1
            stopped = _anyone_stopped(notice, writer)
            is_best = early_stopping is not None and early_stopping.is_better(done, done == last)
            needed_now = stopped or is_best
            if needed_now or done % settings.checkpoint_every == 0 or done == last:
                _save(engine, writer, done, identity or {}, shards)
                if needed_now or not settings.async_checkpoints:
                    writer.finish()
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
    """Goes on with the validations before this step."""
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
    objective.to(device())
    if engine_settings.compile:
        _compile(objective, plan, shards, engine_settings)
    return Engine(objective, engine_settings, len(plan.of_group(0, objective.rank)), saved)


def _compile(
    objective: TrainingObjective, plan: StreamPlan, shards: Shards, engine_settings: EngineSettings
) -> None:
    """Compiles the blocks, and says how long the run will take to be warm.

    It is done before the engine watches the gradients, and before ranks wait for each other.
    """
    # A graph belongs to the precision that it was compiled in.
    allow_tf32(engine_settings.tf32)
    autocast = torch.bfloat16 if engine_settings.autocast else None
    settings, blocks = objective.network.settings, objective.network.blocks
    shapes = pass_shapes(settings, plan, shards, objective.rank.group_ranks)
    is_first = dist.get_rank() == 0
    if is_first:
        say(f"compiling the blocks for {len(shapes)} shapes of micro-batches; this can take minutes")
    compile_blocks(blocks)
    objective.train()
    seconds = warm_up(blocks[0], settings, shapes, device(), autocast)
    if is_first:
        say(f"compiled the blocks in {seconds:.0f} s; the steps run at full speed from now on")


def _first_and_last(
    run: Path, schedule: ScheduleSettings, stop_at: int | None, saved: RunCheckpoint | None
) -> tuple[int, int]:
    """The step that a run begins with and the one that it ends before; raises MismatchError for none."""
    first = saved.checkpoint.step if saved is not None else 0
    last = min(schedule.steps, stop_at or schedule.steps)
    if first > last:
        raise MismatchError(
            f"{run}: its checkpoint at step {first} is beyond the last step, {last}; "
            "give another --out, or more steps"
        )
    return first, last


def _save(engine: Engine, writer: CheckpointWriter, step: int, identity: Identity, shards: Shards) -> None:
    """Begins to write a checkpoint of the state after so many steps."""
    # A dataset that was built anew has other values than those this run began with.
    for dataset in shards.datasets.values():
        dataset.require_unchanged()
    parts = {part: dict(values) for part, values in identity.items()}
    writer.begin(Checkpoint(step, dist.get_world_size(), engine.updates, parts), engine.fragments())


def _anyone_stopped(notice: Notice, writer: CheckpointWriter) -> bool:
    """Whether any rank got a stop signal: it does not reach all of them within one step.

    If no rank is writing any more, the checkpoint gets its name.
    """
    signals, writing = sum_over_ranks([float(notice.signal is not None), float(writer.is_writing)])
    if not writing:
        writer.finish()
    return signals > 0


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
    """One optimiser step: the micro-batches of this rank's group, then the update with all ranks' gradients.

    Raises DivergedError where a loss or the gradient is not finite; no weight has changed then.
    """
    began = time.perf_counter()
    waited = 0.0
    tokens = 0
    micros, rank = plan.step(step), objective.rank
    rate = learning_rate(schedule, step)
    ahead = steps_ahead(objective.rollout, step / schedule.steps, objective.seed, step)
    # The losses of this rank by micro-batch; those of other groups stay 0, and are added at the end.
    # They stay on the device until then: each look at one would wait for all that is queued.
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
