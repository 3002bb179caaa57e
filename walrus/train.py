"""fit(): the only training loop. Pretraining and fine-tuning differ in what they hand to it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic.dataclasses import dataclass as settings_dataclass

from shards.errors import MismatchError, WalrusError
from shards.spec import STRICT, AtLeastOne, Positive
from walrus.engine import Engine, EngineSettings, device
from walrus.plan import Plan
from walrus.schedule import ScheduleSettings, learning_rate
from walrus.stream import Shards, stream
from walrus.trainee import Trainee

LOSSES = "losses.jsonl"
CHECKPOINTS = "checkpoints"
KEPT_CHECKPOINTS = 2


@settings_dataclass(frozen=True, config=STRICT)
class TrainSettings:
    """What is left to say of a run beside its model, its data and its optimiser."""

    seed: int = 0
    jitter: bool = True
    # Added below every RMS that is divided by (walrus.normalize).
    eps: Positive = 1e-5
    checkpoint_every: AtLeastOne = 1000


class DivergedError(WalrusError, ArithmeticError):
    """A loss is not finite."""


@dataclass(frozen=True)
class Progress:
    """One optimiser step: its mean loss, the losses by task, its rate, and seconds spent, of which waiting for data."""

    step: int
    steps: int
    loss: float
    losses: dict[str, float]
    rate: float
    seconds: float
    waited: float


Report = Callable[[Progress], None]


def fit(
    trainee: Trainee,
    plan: Plan,
    shards: Shards,
    engine_settings: EngineSettings,
    schedule: ScheduleSettings,
    settings: TrainSettings,
    run: Path,
    report: Report,
    stop_at: int | None = None,
) -> dict[str, torch.Tensor]:
    """Trains to the end of the schedule (or to `stop_at`), going on from the last checkpoint in `run`.

    Returns all weights. Raises MismatchError where the checkpoint belongs to other data or another plan,
    DivergedError where a loss is not finite.
    """
    rank, ranks = trainee.share
    trainee.to(device())
    engine = Engine(trainee, engine_settings, plan.micro_batches)
    identity = {"fingerprint": shards.fingerprint, "plan": repr(plan), "schedule": repr(schedule)}
    first = _resume(engine, run / CHECKPOINTS, identity)
    last = min(schedule.steps, stop_at or schedule.steps)
    log = _Log(run / LOSSES, first) if rank == 0 else None
    batches = stream(plan, shards, first, last, rank, ranks)
    trainee.train()
    for step in range(first, last):
        progress = _step(engine, batches, plan, step, learning_rate(schedule, step), last)
        if log:
            log.write(progress)
            report(progress)
        if (step + 1) % settings.checkpoint_every == 0 or step + 1 == last:
            engine.save(run / CHECKPOINTS, step + 1, {"step": step + 1, **identity})
            if rank == 0:
                _keep_newest(run / CHECKPOINTS)
    if log:
        log.close()
    return {name.removeprefix("network."): value for name, value in engine.weights().items()}


def _keep_newest(folder: Path) -> None:
    """Removes all checkpoints but the last two: one to go on from, one in case it is being written when we die."""
    for old in sorted(folder.glob("step-*"))[:-KEPT_CHECKPOINTS]:
        shutil.rmtree(old)


def _resume(engine: Engine, folder: Path, identity: dict[str, str]) -> int:
    state = engine.load(folder)
    if state is None:
        return 0
    changed = [name for name, value in identity.items() if state[name] != value]
    if changed:
        raise MismatchError(
            f"{folder}: belongs to another {' and '.join(changed)}; give another --out, or remove the folder"
        )
    return int(state["step"])


def _step(engine: Engine, batches: Any, plan: Plan, step: int, rate: float, steps: int) -> Progress:
    began = time.perf_counter()
    waited = 0.0
    losses: dict[str, list[float]] = {}
    for _ in range(plan.micro_batches):
        asked = time.perf_counter()
        micro, batch = next(batches)
        waited += time.perf_counter() - asked
        loss = engine.loss(batch.to(device()), micro.number)
        value = _mean_over_ranks(loss)
        if not torch.isfinite(torch.tensor(value)):
            raise DivergedError(
                f"step {step}, task {micro.task}, windows {micro.windows}: the loss is {value}; "
                "lower the learning rate, or look at these windows"
            )
        engine.backward(loss)
        engine.step(rate)
        losses.setdefault(micro.task, []).append(value)
    means = {task: sum(values) / len(values) for task, values in losses.items()}
    every = [value for values in losses.values() for value in values]
    return Progress(step, steps, sum(every) / len(every), means, rate, time.perf_counter() - began, waited)


def _mean_over_ranks(loss: torch.Tensor) -> float:
    value = loss.detach().double().clone()
    if torch.distributed.get_world_size() > 1:
        torch.distributed.all_reduce(value)
        value /= torch.distributed.get_world_size()
    return float(value)


class _Log:
    """The losses of every step as JSON lines, and as TensorBoard events."""

    def __init__(self, path: Path, first: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [line for line in read_losses(path) if line["step"] < first]
        path.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
        self.file = path.open("a", encoding="utf-8")
        self.events = SummaryWriter(str(path.parent / "tensorboard"), purge_step=first)

    def write(self, progress: Progress) -> None:
        line = {
            "step": progress.step,
            "loss": progress.loss,
            "losses": progress.losses,
            "rate": progress.rate,
            "seconds": round(progress.seconds, 4),
            "waited": round(progress.waited, 4),
        }
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        self.events.add_scalar("loss", progress.loss, progress.step)
        self.events.add_scalar("rate", progress.rate, progress.step)
        for task, loss in progress.losses.items():
            self.events.add_scalar(f"task/{task}", loss, progress.step)

    def close(self) -> None:
        self.file.close()
        self.events.close()


def read_losses(path: Path) -> list[dict[str, Any]]:
    """The lines of a run's losses; none where there is no file."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
