"""Writes RUN/report.html again and again while a run trains; an error of it never ends the run.

The reasons are in docs/decisions/0105-a-page-while-it-trains.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.job import Job
from pipelines.progress import RunningMeans
from shards.program.side_task import SideTask
from walrus.training.log import StepRecord
from walrus.training.train import Report

REPORT = "report.html"
# At least this time is between two pages, and writing them takes at most this share of the time.
SECONDS_BETWEEN = 30.0
MOST_SHARE = 0.01


class LiveReport:
    """Writes the page of a run from the records in its folder, when it is due."""

    def __init__(self, run: Path, facts: tuple[tuple[str, str], ...], title: str) -> None:
        self.run, self.facts, self.title = run, facts, title
        self.means = RunningMeans()
        self.last: StepRecord | None = None
        self.due = time.monotonic() + SECONDS_BETWEEN

    def add(self, step: StepRecord) -> None:
        """Adds a step, and writes the page if it is due."""
        self.means.add(step)
        self.last = step
        if time.monotonic() >= self.due:
            self.write(goes_on=True)

    def write(self, *, goes_on: bool) -> None:
        """Writes the page; nothing before the first step."""
        if self.last is None:
            return
        began = time.monotonic()
        done = self.last.step + 1
        lead = f"Step <b>{done:,} of {self.last.steps:,}</b>"
        if goes_on:
            lead += f": {self.means.figures(self.last)}."
        elif done == self.last.steps:
            lead += "; the training has ended."
        else:
            lead += "; the training has stopped, and log.txt says why."
        # Imported here, so that ranks start without matplotlib, and an error costs only the page.
        from pipelines.live_page import write_page

        refresh = int(SECONDS_BETWEEN) if goes_on else 0
        write_page(self.run, REPORT, self.title, lead, self.facts, refresh)
        now = time.monotonic()
        self.due = now + max(SECONDS_BETWEEN, (now - began) / MOST_SHARE)


@contextmanager
def live_report(job: Job, *, shown: bool) -> Iterator[Report]:
    """Yields the function to call after each step; the last page is written however the run ends."""
    if not shown:
        yield lambda step: None
        return
    names = ", ".join(choice.name.replace("_", " ") for choice in job.recipe.datasets)
    facts = (("trains on", names), ("ranks", str(job.ranks)), ("folder", job.run.name))
    page, side = LiveReport(job.run, facts, job.recipe.title), SideTask(REPORT)
    try:
        yield lambda step: side.do(lambda: page.add(step))
    finally:
        side.do(lambda: page.write(goes_on=False))


def in_turn(*reports: Report) -> Callable[[StepRecord], None]:
    """A function that passes each step to all of these, in order."""

    def report(step: StepRecord) -> None:
        for each in reports:
            each(step)

    return report
