"""Writes the report of a run while it trains, from the records in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from walrus.evaluation.curve_figures import Curve
from walrus.evaluation.training_report import StepCurve, TrainingState, write_training_report
from walrus.training.early_stopping import Validation, read_validations
from walrus.training.log import LOSSES, LoggedStep, read_lines


def write_page(
    run: Path, name: str, title: str, lead: str, facts: tuple[tuple[str, str], ...], refresh: int
) -> None:
    """Writes the page `name` of a run; the browser reloads it every `refresh` seconds, with 0 never."""
    lines = read_lines(run / LOSSES, LoggedStep)
    seen = step_curves(lines, read_validations(run))
    write_training_report(run / name, TrainingState(title, lead, facts, curves(lines), seen, refresh))


def curves(losses: Sequence[LoggedStep]) -> list[Curve]:
    """The training curve of each task."""
    steps: dict[str, list[int]] = {}
    values: dict[str, list[float]] = {}
    for line in losses:
        for task, loss in line.losses.items():
            steps.setdefault(task, []).append(line.step)
            values.setdefault(task, []).append(loss)
    return [Curve(task, steps[task], values[task]) for task in sorted(steps)]


def step_curves(losses: Sequence[LoggedStep], validations: Sequence[Validation]) -> list[StepCurve]:
    """Validation where there is one; learning rate, gradient, speed and waiting of each step."""
    seen = []
    if validations:
        errors = [each.error for each in validations]
        steps = [each.step for each in validations]
        seen.append(StepCurve("validation, VRMSE of rollouts", steps, errors, logarithmic=True))
    timed = [line for line in losses if line.seconds]
    if not timed:
        return seen
    steps = [line.step for line in timed]
    waits = [100 * line.waited / line.seconds for line in timed]
    return [
        *seen,
        StepCurve("learning rate", steps, [line.rate for line in timed]),
        StepCurve("norm of the gradient", steps, [line.norm for line in timed], logarithmic=True),
        StepCurve("windows per second", steps, [line.windows / line.seconds for line in timed]),
        StepCurve("waiting for data, % of a step", steps, waits),
    ]
