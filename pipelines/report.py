"""One HTML file that says what a run is worth: scores beside the baselines, training curves, pictures.

Everything is inside the file: style, pictures as base64, no script, no network. The same report serves a
training run (with curves) and an evaluation (without).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

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
        parts.append(f"<h2>Training</h2>{_figure(curve(curves), 'training loss of each task')}")
    parts += [_section(number, result) for number, result in enumerate(results)]
    parts.append(_notes(results))
    path.write_text(_PAGE.format(title=escape(run.title), style=_STYLE, body="\n".join(parts)), "utf-8")


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
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in run.facts)
    links = " ".join(f'<a href="#task-{i}">{_words(result.task)}</a>' for i, result in enumerate(results))
    contents = f"<nav>{links}</nav>" if len(results) > 1 else ""
    return (
        f"<header><h1>{escape(run.title)}</h1><dl>{facts}</dl></header>"
        f'<p class="lead">{_verdict([_rows(result) for result in results])}</p>{contents}'
    )


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
    heads = [f'<th scope="rowgroup" rowspan="{len(rows)}">{_words(name)}</th>', *[""] * (len(rows) - 1)]
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
    task, field = _words(result.task), _words(channel)
    steps, trajectories = len(forecast.time_T), len(result.rollouts)
    fields = [(name, _field_rows(result, i)) for i, name in enumerate(forecast.channels)]
    return f"""<section id="task-{number}"><h2>{task}</h2>
<p>{trajectories} {"trajectory" if trajectories == 1 else "trajectories"},
{len(forecast.channels)} fields on {" × ".join(map(str, forecast.grid.shape))} cells.
Rollouts start at frame {result.start} and run {steps} steps.</p>
{_figure(panel(forecast, channel), f"{task}, {field}: truth, forecast and error at several steps")}
{_figure(growth(result.task, result.rollouts), f"{task}: error against rollout step")}
{_figure(animation(forecast, channel), f"{task}, {field}: the rollout as an animation")}
<details><summary>Every field</summary>{_table(fields)}
{_figure(panels(forecast), f"{task}: truth, forecast and error of every field at the last step")}</details>
</section>"""


def _figure(picture: bytes, words: str) -> str:
    """A picture inside the page; the drawings have two dots a CSS pixel. `words` are escaped already."""
    if picture.startswith(b"GIF"):
        kind, width = "gif", int.from_bytes(picture[6:8], "little")
    else:
        kind, width = "png", int.from_bytes(picture[16:20], "big") // 2
    data = base64.b64encode(picture).decode("ascii")
    shape = "wide" if width > _PHONE else "small"
    return f'<figure><img class="{shape}" src="data:image/{kind};base64,{data}" width="{width}" alt="{words}"></figure>'


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


def _words(name: str) -> str:
    return escape(name.replace("_", " "))


# Pictures wider than this scroll sideways on a phone, the others shrink.
_PHONE = 760

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title><style>{style}</style></head>
<body><main>
{body}
</main></body></html>
"""

_STYLE = """
:root { --ink: #1f2328; --grey: #656d76; --line: #d8dee4; --back: #fff; --mark: #0b5cad; --tint: #eaf2fb }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --grey: #9198a1; --line: #30363d; --back: #0d1117; --mark: #6cb2ff; --tint: #12263c }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
main { max-width: 1010px; margin: 0 auto; padding: 40px 20px 80px }
h1 { font-size: 30px; line-height: 1.2; letter-spacing: -.01em; margin: 0 0 20px }
h2 { font-size: 21px; margin: 56px 0 6px }
p, li { max-width: 46em }
dl { display: flex; flex-wrap: wrap; gap: 12px 36px; margin: 0; padding: 14px 0;
  border-block: 1px solid var(--line) }
dt { font-size: 13px; color: var(--grey) }
dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
.lead { font-size: 18px; margin: 22px 0 8px }
a { color: var(--mark); text-decoration: none }
a:hover { text-decoration: underline }
nav { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 15px; margin-bottom: 24px }
.table { overflow-x: auto }
table { border-collapse: collapse; font-size: 15px; font-variant-numeric: tabular-nums }
th, td { padding: 5px 14px; text-align: right; white-space: nowrap; font-weight: 400 }
thead th { font-size: 13px; color: var(--grey); border-bottom: 1px solid var(--ink) }
th:first-child { padding-left: 0; text-align: left }
tbody th { font-weight: 600; vertical-align: top; white-space: normal }
tbody td:not(.best) { color: var(--grey) }
tbody tr:last-child > *, tbody tr:first-child > th { border-bottom: 1px solid var(--line) }
td.best { color: var(--mark); background: var(--tint); font-weight: 650 }
figure { margin: 18px 0; padding: 12px; background: #fff; border: 1px solid var(--line); border-radius: 8px;
  overflow-x: auto }
img { display: block; max-width: 100%; height: auto }
summary { cursor: pointer; color: var(--mark); margin: 6px 0 14px }
li { margin-bottom: 8px }
ul { padding-left: 20px }
@media (max-width: 600px) {
  main { padding: 24px 14px 60px }
  h1 { font-size: 24px }
  figure { padding: 6px; margin-inline: -6px }
  img.wide { max-width: none; width: 680px }
  table { font-size: 12px }
  th, td { padding: 5px 4px }
  thead th { font-size: 12px }
}
"""
