"""The records of a run, all in its folder: JSON lines, TensorBoard events, and sentences.

A record that cannot be written never ends the run: this is reported once, and the run continues without it.

RUN/losses.jsonl     one line per step: losses, rate, gradient norm, speed, waiting, checksum of the line
RUN/tensorboard/     the same figures
RUN/log.txt          when the run started, resumed, was stopped, and which changes were allowed
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import TypeAdapter, ValidationError

from shards.disk import open_append, write_atomically
from shards.json_text import checked_line, line_with_checksum
from shards.program.console import say
from shards.program.side_task import SideTask
from shards.program.signals import uninterrupted
from shards.schema import Natural, NotNegative, excerpt
from shards.urls import without_secrets

T = TypeVar("T")
LOSSES = "losses.jsonl"
EVENTS = "tensorboard"
SENTENCES = "log.txt"


@dataclass(frozen=True)
class StepRecord:
    """One optimiser step of all ranks.

    `loss` is the mean, `losses` are by task, `norm` is that of the gradient before it is clipped. `waited`
    is how long this rank waited for data.
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
    def windows_per_second(self) -> float:
        return self.windows / self.seconds

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds

    @property
    def waiting(self) -> float:
        """The share of the step that was spent waiting for data."""
        return self.waited / self.seconds

    @property
    def line(self) -> dict[str, Any]:
        """The record as a line of the file of losses."""
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
        """The record as scalars of TensorBoard."""
        return {
            "loss": self.loss,
            "rate": self.rate,
            "norm": self.norm,
            "speed/windows per second": self.windows_per_second,
            "speed/tokens per second": self.tokens_per_second,
            "speed/seconds per step": self.seconds,
            "speed/waiting for data": self.waiting,
        } | {f"task/{task}": loss for task, loss in self.losses.items()}


@excerpt
class LoggedStep:
    """What is read from a line of the file of losses."""

    step: Natural
    losses: dict[str, float]
    seconds: NotNegative
    rate: float = 0.0
    norm: float = 0.0
    windows: Natural = 0
    waited: float = 0.0


class RunLog:
    """Writes the figures of every step from `first` on; lines of a run that was cut off later are dropped."""

    def __init__(self, run: Path, first: int) -> None:
        self.run, self.first = run, first
        self.losses, self.figures = SideTask(LOSSES), SideTask(EVENTS)

    def __enter__(self) -> RunLog:
        self._hook, threading.excepthook = threading.excepthook, _without_trace
        self.file = self.losses.do(lambda: _losses_from(self.run, self.first))
        self.events = self.figures.do(lambda: _events_from(self.run, self.first))
        return self

    def __exit__(self, *exception: object) -> None:
        for task, each in ((self.losses, self.file), (self.figures, self.events)):
            if each is not None:
                task.do(each.close)
        threading.excepthook = self._hook

    def write(self, record: StepRecord) -> None:
        """Adds a step to both files."""
        # A queue of TensorBoard that Ctrl-C leaves in the middle may never wake its thread, nor end the run.
        with uninterrupted():
            self.losses.do(lambda: self._write_line(record))
            self.figures.do(lambda: self._write_scalars(record))

    def _write_line(self, record: StepRecord) -> None:
        assert self.file is not None
        self.file.write(line_with_checksum(record.line))
        self.file.flush()

    def _write_scalars(self, record: StepRecord) -> None:
        assert self.events is not None
        for name, value in record.scalars.items():
            self.events.add_scalar(name, value, record.step)


def _without_trace(failure: threading.ExceptHookArgs) -> None:
    """Prints no traceback for an error of the disk: `write` raises that of TensorBoard's thread again."""
    if not isinstance(failure.exc_value, OSError):
        threading.__excepthook__(failure)


def _losses_from(run: Path, first: int) -> BinaryIO:
    """The file of losses, open to append, with the steps before `first` only."""
    run.mkdir(parents=True, exist_ok=True)
    kept = (line for line, found in _whole_lines(run / LOSSES, LoggedStep) if found.step < first)
    write_atomically(run / LOSSES, b"".join(kept))
    return open_append(run / LOSSES)


def _events_from(run: Path, first: int) -> Any:
    """TensorBoard's writer, which hides the steps from `first` on of earlier files."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(run / EVENTS), purge_step=first)


def note(run: Path, sentence: str) -> None:
    """Adds a sentence, with the time, to the log of a run."""

    def write() -> None:
        run.mkdir(parents=True, exist_ok=True)
        with open_append(run / SENTENCES) as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {without_secrets(sentence)}\n".encode())

    SideTask(SENTENCES).do(write)


def read_lines(path: Path, kind: type[T]) -> list[T]:
    """The JSON lines of a run; none without a file. Other lines are left out, and reported."""
    return [found for _, found in _whole_lines(path, kind)]


def _whole_lines(path: Path, kind: type[T]) -> list[tuple[bytes, T]]:
    """The same with the text of each line.

    A last line without an end is no damage: the run was killed while it wrote it.
    """
    if not path.is_file():
        return []
    adapter = TypeAdapter(kind)
    lines: list[tuple[bytes, T]] = []
    damaged = 0
    *ended, last = path.read_bytes().split(b"\n")
    for line in ended:
        try:
            lines.append((line + b"\n", adapter.validate_json(checked_line(line) or b"")))
        except ValidationError:
            damaged += 1
    if damaged:
        say(f"{path}: {damaged} damaged lines are left out")
    if last:
        say(f"{path}: the last line is incomplete: its run was killed, or is writing it; it is left out")
    return lines
