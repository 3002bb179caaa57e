"""One HTML file that says what a run is worth: scores beside the baselines, training curves, pictures.

Everything is inside the file: style, pictures as base64, no script, no network. The same report serves a
training run (with curves) and an evaluation (without).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from shards.html import figure, heading, page, words
from walrus.forecast import FORECASTERS, Errors, Forecast, Score, WindowScore
from walrus.metrics import EPSILON
from walrus.picture import Curve, animation, curve, growth, panel, panels


@dataclass(frozen=True)
class Run:
    """What was run: a title, and facts (name, value) such as recipe, parameters, steps, wall time."""

    title: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Result:
    """What came out for one task.

    `scores` are those of FORECASTERS, in order. `forecast` is the rollout to show, `channel` its representative
    field. `rollouts` holds the VRMSE [F, T, C] of every trajectory, `start` the index of the first frame forecast
    in a rollout.
    """

    scores: tuple[Score, ...]
    forecast: Forecast
    channel: str
    rollouts: tuple[Errors, ...]
    start: int

    @property
    def task(self) -> str:
        return self.forecast.task


@dataclass(frozen=True)
class Row:
    """One line of a table: a measure and its value for each of FORECASTERS."""

    name: str
    values: tuple[float, ...]

    @property
    def best(self) -> float:
        return min(self.values)

    @property
    def model_wins(self) -> bool:
        return self.values[0] < min(self.values[1:])


def write_report(path: Path, run: Run, results: Sequence[Result], curves: Sequence[Curve] = ()) -> None:
    """Write the report of a training run (with `curves`) or of an evaluation (without) to `path`.

    At least one result; each curve with at least one loss.
    """
    parts = [_heading(run, results), _table([(result.task, _rows(result)) for result in results])]
    if curves:
        parts.append(f"<h2>Training</h2>{figure(curve(curves), 'training loss of each task')}")
    parts += [_section(number, result) for number, result in enumerate(results)]
    parts.append(_notes(results))
    path.write_text(page(run.title, "\n".join(parts)), "utf-8")


def count(number: int) -> str:
    """A large number in words: 1.29 billion, 12.3 million, 4,711."""
    for size, word in ((10**9, "billion"), (10**6, "million")):
        if number >= size:
            return f"{number / size:.3g} {word}"
    return f"{number:,}"


def duration(seconds: float) -> str:
    """A wall time in its two leading units: 2 h 14 min, 3 min 5 s, 12 s."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def _rows(result: Result) -> list[Row]:
    """One step ahead and every window of the rollout, all fields together."""
    windows = zip(*(score.windows for score in result.scores), strict=True)
    return [
        Row("one step", tuple(score.one_step for score in result.scores)),
        *(Row(_steps(same[0]), tuple(each.value for each in same)) for same in windows),
    ]


def _field_rows(result: Result, channel: int) -> list[Row]:
    """The same for one field."""
    windows = zip(*(score.windows for score in result.scores), strict=True)
    return [
        Row("one step", tuple(score.one_step_C[channel] for score in result.scores)),
        *(Row(_steps(same[0]), tuple(each.value_C[channel] for each in same)) for same in windows),
    ]


def _steps(window: WindowScore) -> str:
    return f"steps {window.first}–{window.last}" if window.last > window.first else f"step {window.first}"


def _heading(run: Run, results: Sequence[Result]) -> str:
    links = " ".join(f'<a href="#task-{i}">{words(result.task)}</a>' for i, result in enumerate(results))
    contents = f"<nav>{links}</nav>" if len(results) > 1 else ""
    lead = f'<p class="lead">{_verdict([_rows(result) for result in results])}</p>'
    return f"{heading(run.title, run.facts)}{lead}{contents}"


def _verdict(tables: Sequence[Sequence[Row]]) -> str:
    one_step = sum(rows[0].model_wins for rows in tables)
    rollouts = [rows[1] for rows in tables if len(rows) > 1]
    wins = sum(row.model_wins for row in rollouts)
    return (
        f"The model beats persistence and linear extrapolation on <b>{one_step} of {len(tables)}</b> "
        f"{'dataset' if len(tables) == 1 else 'datasets'} one step ahead, and on <b>{wins} of {len(rollouts)}</b> "
        "over the first steps of a rollout."
    )


def _table(groups: Sequence[tuple[str, Sequence[Row]]]) -> str:
    """VRMSE for each group and measure; the smallest of a line is marked."""
    heads = "".join(f'<th scope="col">{name}</th>' for name in FORECASTERS)
    bodies = "".join(f"<tbody>{_lines(name, rows)}</tbody>" for name, rows in groups)
    head = f"<thead><tr><th>VRMSE</th><th></th>{heads}</tr></thead>"
    return f'<div class="table"><table>{head}{bodies}</table></div>'


def _lines(name: str, rows: Sequence[Row]) -> str:
    heads = [f'<th scope="rowgroup" rowspan="{len(rows)}">{words(name)}</th>', *[""] * (len(rows) - 1)]
    cells = ["".join(_cell(value, row.best) for value in row.values) for row in rows]
    return "".join(
        f"<tr>{head}<td>{escape(row.name)}</td>{line}</tr>" for head, row, line in zip(heads, rows, cells, strict=True)
    )


def _cell(value: float, best: float) -> str:
    words = _number(value)
    return f'<td class="best" title="smallest error">{words}</td>' if value == best else f"<td>{words}</td>"


def _number(value: float) -> str:
    """Three digits, as a table of errors wants them; a forecast that blew up is called so."""
    return f"{value:#.3g}" if math.isfinite(value) else "diverged"


def _section(number: int, result: Result) -> str:
    forecast, channel = result.forecast, result.channel
    task, field = words(result.task), words(channel)
    steps, trajectories = len(forecast.time_T), len(result.rollouts)
    fields = [(name, _field_rows(result, i)) for i, name in enumerate(forecast.channels)]
    return f"""<section id="task-{number}"><h2>{task}</h2>
<p>{trajectories} {"trajectory" if trajectories == 1 else "trajectories"},
{len(forecast.channels)} fields on {" × ".join(map(str, forecast.grid.shape))} cells.
Rollouts start at frame {result.start} and run {steps} steps.</p>
{figure(panel(forecast, channel), f"{task}, {field}: truth, forecast and error at several steps")}
{figure(growth(result.task, result.rollouts), f"{task}: error against rollout step")}
{figure(animation(forecast, channel), f"{task}, {field}: the rollout as an animation")}
<details><summary>Every field</summary>{_table(fields)}
{figure(panels(forecast), f"{task}: truth, forecast and error of every field at the last step")}</details>
</section>"""


def _notes(results: Sequence[Result]) -> str:
    starts = sorted({result.start for result in results})
    return f"""<section><h2>How the numbers are defined</h2><ul>
<li><b>VRMSE</b> of one field and one frame is √( ⟨(u − v)²⟩ / (var u + ε) ): u the truth, v the forecast,
mean and unbiased variance over space, ε = {EPSILON:g}. 0 is perfect, a constant field at the mean scores 1.
Every cell counts, also those inside a solid; of a volume all cells count, though a picture shows the middle
plane.</li>
<li><b>One step</b>: each frame of a trajectory that has enough history is forecast from true frames; mean
over frames, fields and trajectories. The baselines forecast the same frames.</li>
<li><b>Steps a–b</b>: a rollout fed with its own output. Mean over fields and those steps, then median over
trajectories. The first frame forecast has index {", ".join(map(str, starts))} (counted from 0). Each component
of a vector counts as a field.</li>
<li><b>Persistence</b> repeats the last known frame, <b>linear</b> continues the last two along a straight line.
The smallest error of a line is marked.</li>
<li><b>Pictures</b>: first axis to the right, second upward. Truth and forecast share their colours, the outermost
0.2 % of the values saturate; error = forecast − truth. The frame tells the boundary: thick is a wall, dotted is
open, thin is periodic. Grey cells are solid or not finite.</li></ul></section>"""
