"""Shows progress: a bar on a terminal, a line from time to time elsewhere, with the same figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from shards.program.console import say, stderr
from shards.program.side_task import SideTask
from walrus.training.log import StepRecord
from walrus.training.train import Report

LINES_EVERY = 50
# Without a terminal, these steps have a line too: it shows that the run works, and how long it will take.
FIRST_LINES = (1, 10)
# Without a terminal, seconds between two lines of an evaluation.
SECONDS_BETWEEN = 10.0
# The share of a new step in the speeds and losses that are shown.
FRESHNESS = 0.1


class RunningMeans:
    """Exponential means over the steps: seconds, waiting, windows, tokens, and the loss of each task."""

    def __init__(self) -> None:
        self.of_step: dict[str, float] = {}
        self.of_task: dict[str, float] = {}

    def add(self, step: StepRecord) -> None:
        """Adds a step to the means; the first one of a kind is its mean."""
        figures = {
            "seconds": step.seconds,
            "waited": step.waited,
            "windows": step.windows,
            "tokens": step.tokens,
        }
        _follow(self.of_step, figures)
        _follow(self.of_task, step.losses)

    def figures(self, step: StepRecord) -> str:
        """Speed, waiting and time left, in one line."""
        seconds = self.of_step["seconds"]
        left = timedelta(seconds=round(seconds * (step.steps - step.step - 1)))
        return (
            f"{self.of_step['windows'] / seconds:.1f} windows/s, "
            f"{self.of_step['tokens'] / seconds:,.0f} tokens/s, "
            f"{100 * self.of_step['waited'] / seconds:.1f} % waiting for data, {left} left"
        )

    @property
    def losses(self) -> str:
        """The loss of each task, in one line."""
        return ", ".join(f"{task} {loss:.2f}" for task, loss in sorted(self.of_task.items()))


def _follow(means: dict[str, float], values: Mapping[str, float]) -> None:
    """Moves each mean towards its new value."""
    for name, value in values.items():
        before = means.get(name, value)
        means[name] = before + FRESHNESS * (value - before)


class StepDisplay:
    """Shows each step: on a bar if there is a terminal, otherwise as a line now and then."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.means = RunningMeans()
        self.task = (
            bar.add_task("training", total=None, figures="", losses="") if stderr.is_terminal else None
        )

    def __call__(self, step: StepRecord) -> None:
        """Shows one step."""
        self.means.add(step)
        done = step.step + 1
        if self.task is not None:
            self.bar.update(
                self.task,
                completed=done,
                total=step.steps,
                description=f"loss {step.loss:6.2f}",
                figures=self.means.figures(step),
                losses=self.means.losses,
            )
        elif done % LINES_EVERY == 0 or done in (*FIRST_LINES, step.steps):
            say(
                f"step {done} of {step.steps}: loss {step.loss:.2f} ({self.means.losses}), "
                f"{self.means.figures(step)}"
            )


@contextmanager
def progress(*, shown: bool = True) -> Iterator[Report]:
    """Yields the function to call after each step, which shows it.

    Only one rank of a terminal may have `shown`. If the terminal fails, this is reported, and training
    continues.
    """
    figures = TextColumn("{task.fields[figures]}\n{task.fields[losses]}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), figures)
    bar = Progress(*columns, console=stderr, transient=True, disable=not (shown and stderr.is_terminal))
    task, terminal = SideTask("progress"), StepDisplay(bar)
    task.do(bar.start)
    try:
        yield lambda step: task.do(lambda: terminal(step))
    finally:
        task.do(bar.stop)


@contextmanager
def evaluation_progress(dataset: str) -> Iterator[Callable[[int, int], None]]:
    """Yields the function to call with the number of frames forecast so far, and of all frames."""
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
