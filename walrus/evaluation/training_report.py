"""The page of a run while it trains: losses by task, validation, rate, speed, waiting for data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from shards.disk import write_atomically
from shards.drawing.canvas import log_axis, sheet, style
from shards.drawing.colours import BLUE, PALE
from shards.drawing.html_page import chart, heading, page, table, text_row
from walrus.evaluation.curve_figures import Curve, curve
from walrus.evaluation.many_steps import summary


@dataclass(frozen=True)
class StepCurve:
    """One number of a run against its step: name, steps [N], values [N]; drawn on a log axis or from zero."""

    name: str
    steps: Sequence[int]
    values: Sequence[float]
    logarithmic: bool = False


@dataclass(frozen=True)
class TrainingState:
    """What is known of a run: facts (name, value), losses of each task, validation, rate, speed.

    `lead` is the sentence on how far it is. The page reloads itself every `refresh`
    seconds; 0: never.
    """

    title: str
    lead: str
    facts: tuple[tuple[str, str], ...]
    losses: Sequence[Curve]
    curves: Sequence[StepCurve]
    refresh: int = 0


def write_training_report(path: Path, state: TrainingState) -> None:
    """Writes the page to `path`, whole or not at all; each curve has at least one loss."""
    pictures = []
    if state.losses:
        pictures.append(chart(curve(state.losses), "training loss of each task"))
    if state.curves:
        pictures.append(chart(draw_step_curves(state.curves), "validation, rate, speed and waiting"))
    rows = [_row(each) for each in state.losses]
    body = "\n".join(
        [
            heading(state.title, state.facts),
            f'<p class="lead">{state.lead}</p>',
            table(("loss of", "first steps", "last steps", "steps"), [rows], "numbers"),
            *pictures,
            _NOTES,
        ]
    )
    write_atomically(path, page(state.title, body, refresh=state.refresh).encode())


def _row(losses: Curve) -> str:
    """Mean loss of the first and the last twentieth of its steps, and how many steps trained on the task."""
    count = max(1, len(losses.losses) // 20)
    first, last = np.mean(losses.losses[:count]), np.mean(losses.losses[-count:])
    return text_row(losses.task.replace("_", " "), f"{first:.2f}", f"{last:.2f}", f"{len(losses.steps):,}")


def draw_step_curves(curves: Sequence[StepCurve]) -> bytes:
    """PNG: a box for each number of a run."""
    with style():
        page_of_boxes, boxes = sheet("the run", "against the step", len(curves))
        for axes, each in zip(boxes, curves, strict=True):
            value = np.array(each.values, float)
            points = summary(each.steps, each.values)
            axes.fill_between(points.step, points.low, points.high, color=BLUE, alpha=0.25, linewidth=0)
            marker = "o" if len(points.step) < 30 else ""
            axes.plot(points.step, points.middle, color=BLUE, linewidth=1.1, marker=marker, markersize=2)
            known = value[np.isfinite(value)]
            if each.logarithmic and (known > 0).any():
                log_axis(axes, float(known[known > 0].min()) / 1.2, float(known.max()) * 1.2)
            else:
                axes.set_ylim(0, 1.1 * float(known.max(initial=0)) or 1)
                axes.grid(axis="y", color=PALE, linewidth=0.4)
                axes.spines[["top", "right"]].set_visible(False)
            axes.set_title(each.name, loc="left", size=8)
            axes.set_xlim(0, max(each.steps[-1], 1))
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        return page_of_boxes.png()


_NOTES = """<section><h2>How the numbers are defined</h2><ul>
<li><b>Loss</b>: 100 × the error of the predicted change of each field, in units of the RMS of that change.
It is the mean absolute error, or the root mean square error if <code>training.loss</code> is rmse. It has
no unit: 0 is a perfect forecast, and one of no change has about 70 to 100 whatever the field.</li>
<li><b>Validation</b>: VRMSE of short rollouts of the validation split, mean over steps, fields and
trajectories; 1 is the score of a constant field. Only runs with early stopping have it.</li>
<li><b>Waiting</b>: the share of a step in which the first rank waits for data.</li>
<li>First and last steps are means over a twentieth of the steps that trained on a task. In a long run each
point of a curve stands for several steps: the line is their median, the pale band reaches from the lowest to
the highest. losses.jsonl has each step.</li>
</ul></section>"""
