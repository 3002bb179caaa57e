"""Progress for people: a bar on a terminal, a plain line now and then elsewhere; the same figures on both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from shards.program.console import say, stderr
from shards.program.side_task import SideTask
from walrus.training.log import StepRecord
from walrus.training.train import Report

LINES_EVERY = 50
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
        elif done % LINES_EVERY == 0 or done == step.steps:
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
