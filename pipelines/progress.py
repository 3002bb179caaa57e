"""Shows progress: a bar on a terminal, a line from time to time elsewhere, with the same figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from shards.program.console import say, stderr
from shards.program.side_task import SideTask
from walrus.training.log import StepRecord
from walrus.training.train import Report

LINES_EVERY = 50
# Elsewhere than on a terminal these steps have a line too: that the run goes, and how long it will take.
FIRST_LINES = (1, 10)
# An evaluation has a line after so many seconds.
SECONDS_BETWEEN = 10.0
# The share that a new step has in the speeds and losses shown.
FRESHNESS = 0.1


class Smooth:
    """Running means of a step: seconds, waiting, windows, tokens, and the loss of each task."""

    def __init__(self) -> None:
        self.means: dict[str, float] = {}

    def take(self, step: StepRecord) -> None:
        seen = {
            "seconds": step.seconds,
            "waited": step.waited,
            "windows": step.windows,
            "tokens": step.tokens,
        }
        for name, value in (seen | {f"loss of {task}": loss for task, loss in step.losses.items()}).items():
            before = self.means.get(name, value)
            self.means[name] = before + FRESHNESS * (value - before)

    def figures(self, step: StepRecord) -> str:
        """Losses, speed, waiting, time left, in one line."""
        seconds = self.means["seconds"]
        left = timedelta(seconds=round(seconds * (step.steps - step.step - 1)))
        return (
            f"{self.means['windows'] / seconds:.1f} windows/s, "
            f"{self.means['tokens'] / seconds:,.0f} tokens/s, "
            f"{100 * self.means['waited'] / seconds:.1f} % waiting for data, {left} left"
        )

    @property
    def losses(self) -> str:
        named = {
            name.removeprefix("loss of "): value
            for name, value in self.means.items()
            if name.startswith("loss")
        }
        return ", ".join(f"{task} {value:.2f}" for task, value in sorted(named.items()))


class Terminal:
    """Takes in every step; shows it as fits the terminal."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.smooth = Smooth()
        self.task = (
            bar.add_task("training", total=None, figures="", losses="") if stderr.is_terminal else None
        )

    def __call__(self, step: StepRecord) -> None:
        """Show one step: on the bar, or as a line now and then."""
        self.smooth.take(step)
        done = step.step + 1
        if self.task is not None:
            self.bar.update(
                self.task,
                completed=done,
                total=step.steps,
                description=f"loss {step.loss:6.2f}",
                figures=self.smooth.figures(step),
                losses=self.smooth.losses,
            )
        elif done % LINES_EVERY == 0 or done in (*FIRST_LINES, step.steps):
            say(
                f"step {done} of {step.steps}: loss {step.loss:.2f} ({self.smooth.losses}), "
                f"{self.smooth.figures(step)}"
            )


@contextmanager
def progress(shown: bool = True) -> Iterator[Report]:
    """Yields what to call after each step; several ranks of one terminal must not all have a bar on it.

    A terminal that fails is reported, and the steps go on.
    """
    figures = TextColumn("{task.fields[figures]}\n{task.fields[losses]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), figures)
    bar = Progress(*columns, console=stderr, transient=True, disable=not (shown and stderr.is_terminal))
    task, terminal = SideTask("progress"), Terminal(bar)
    task.do(bar.start)
    try:
        yield lambda step: task.do(lambda: terminal(step))
    finally:
        task.do(bar.stop)


@contextmanager
def evaluation_progress(dataset: str) -> Iterator[Callable[[int, int], None]]:
    """Yields what takes the forecast frames done and their total; a bar on a terminal, elsewhere lines."""
    columns = (
        TextColumn("evaluating {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)
    shown = bar.add_task(dataset, total=None)
    began = last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        bar.update(shown, completed=done, total=total)
        if not stderr.is_terminal and now - last >= SECONDS_BETWEEN:
            last = now
            left = timedelta(seconds=round((now - began) * (total - done) / done))
            say(f"evaluating {dataset}: {done} of {total} frames, {left} left")

    side = SideTask("progress")
    side.do(bar.start)
    try:
        yield lambda done, total: side.do(lambda: show(done, total))
    finally:
        side.do(bar.stop)
