"""What a run says of itself, nothing of it on the network: JSON lines, TensorBoard events, and sentences.

RUN/losses.jsonl     one line a step: losses, rate, gradient norm, speed, waiting
RUN/tensorboard/     the same figures
RUN/log.txt          when it began, went on, was allowed to differ, was stopped
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shards.disk import write_atomically

LOSSES = "losses.jsonl"
EVENTS = "tensorboard"
SENTENCES = "log.txt"


@dataclass(frozen=True)
class StepRecord:
    """One optimiser step of all ranks: mean loss, losses by task, rate, norm of the gradient, windows, tokens, seconds.

    `waited` is how long this rank waited for data.
    """

    step: int
    steps: int
    loss: float
    losses: dict[str, float]
    rate: float
    norm: float
    windows: int
    tokens: int
    seconds: float
    waited: float

    @property
    def windows_a_second(self) -> float:
        return self.windows / self.seconds

    @property
    def tokens_a_second(self) -> float:
        return self.tokens / self.seconds

    @property
    def waiting(self) -> float:
        """The share of the step that was spent waiting for data."""
        return self.waited / self.seconds

    @property
    def line(self) -> dict[str, Any]:
        """As in the file of losses."""
        return {
            "step": self.step,
            "loss": self.loss,
            "losses": self.losses,
            "rate": self.rate,
            "norm": self.norm,
            "windows": self.windows,
            "tokens": self.tokens,
            "seconds": round(self.seconds, 4),
            "waited": round(self.waited, 4),
        }

    @property
    def scalars(self) -> dict[str, float]:
        """As in TensorBoard."""
        return {
            "loss": self.loss,
            "rate": self.rate,
            "norm": self.norm,
            "speed/windows a second": self.windows_a_second,
            "speed/tokens a second": self.tokens_a_second,
            "speed/seconds a step": self.seconds,
            "speed/waiting for data": self.waiting,
        } | {f"task/{task}": loss for task, loss in self.losses.items()}


class Log:
    """Writes the figures of every step from `first` on; those of later steps, of a run cut off, are dropped."""

    def __init__(self, run: Path, first: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        run.mkdir(parents=True, exist_ok=True)
        path = run / LOSSES
        kept = [line for line in read_lines(path) if line["step"] < first]
        write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
        self.file = path.open("a", encoding="utf-8")
        self.events = SummaryWriter(str(run / EVENTS), purge_step=first)

    def write(self, progress: StepRecord) -> None:
        self.file.write(json.dumps(progress.line) + "\n")
        self.file.flush()
        for name, value in progress.scalars.items():
            self.events.add_scalar(name, value, progress.step)

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *exception: object) -> None:
        self.file.close()
        self.events.close()


def note(run: Path, sentence: str) -> None:
    """Adds a sentence, with the time, to what happened to a run."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / SENTENCES).open("a", encoding="utf-8") as file:
        file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {sentence}\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a run, a last one that was cut left out; none where there is no file."""
    if not path.is_file():
        return []
    return [
        json.loads(line) for line in path.read_text(encoding="utf-8").splitlines(True) if line.endswith("}\n")
    ]
