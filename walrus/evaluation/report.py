"""Write one HTML file about a run: scores next to the baselines, training curves, pictures.

Everything is inside the file: style, pictures, and the script of the viewer; nothing is loaded. The same
report serves a training run (with curves) and an evaluation (without).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from shards.counted import counted
from shards.disk import write_atomically
from shards.drawing.html_page import chart, escaped_words, figure, heading, page, table
from shards.drawing.viewer import script, viewer
from shards.program.side_task import SideTask
from walrus.evaluation.curve_figures import Curve, curve
from walrus.evaluation.evaluate import Evaluation
from walrus.evaluation.figures import Drawings
from walrus.evaluation.films import film_of
from walrus.evaluation.metrics import EPSILON, MEASURES, Measure
from walrus.evaluation.published_scores import CAPTION, published_scores, source
from walrus.evaluation.score_tables import score_words, window_words
from walrus.evaluation.scores import ALL, FORECASTERS, ONE_STEP, Forecaster
from walrus.evaluation.trajectory_table import trajectory_table
from walrus.evaluation.usefulness import HIGH_CORRELATION, correlated_steps, useful_steps

# Names with a soft hyphen, where a phone, which has no room for them, breaks them.
NARROW: dict[Forecaster, str] = {"persistence": "persis\u00adtence"}


@dataclass(frozen=True)
class RunFacts:
    """A title, and facts of a run (name, value) such as recipe, parameters, steps, wall time."""

    title: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class DatasetResult:
    """The evaluation of one dataset, and its pictures."""

    evaluation: Evaluation
    drawings: Drawings

    @property
    def task(self) -> str:
        return self.evaluation.task


@dataclass(frozen=True)
class ScoreRow:
    """One line of a table: its name and its value for each of FORECASTERS; `whole` numbers are steps."""

    name: str
    values: tuple[float, ...]
    higher_is_better: bool = False
    whole: bool = False

    @property
    def best(self) -> float:
        scored = [value for value in self.values if not math.isnan(value)] or [math.nan]
        return max(scored) if self.higher_is_better else min(scored)


def write_report(
    path: Path, run: RunFacts, results: Sequence[DatasetResult], curves: Sequence[Curve] = ()
) -> None:
    """Write the report of a training run (with `curves`) or of an evaluation (without) to `path`.

    At least one result; each curve with at least one loss.
    """
    parts = [
        _heading(run, results),
        _table([(result.task, _summary(result.evaluation)) for result in results]),
    ]
    losses = SideTask("picture of losses").do(lambda: curve(curves)) if curves else None
    if losses is not None:
        parts.append(f"<h2>Training</h2>{chart(losses, 'training loss of each task')}")
    parts += [_section(number, result) for number, result in enumerate(results)]
    parts.append(_notes(results))
    write_atomically(path, page(run.title, "\n".join(parts), script()).encode())


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


def _heading(run: RunFacts, results: Sequence[DatasetResult]) -> str:
    links = " ".join(
        f'<a href="#task-{i}">{escaped_words(result.task)}</a>' for i, result in enumerate(results)
    )
    contents = f"<nav>{links}</nav>" if len(results) > 1 else ""
    lead = f'<p class="lead">{lead_sentence([result.evaluation for result in results])}</p>'
    return f"{heading(run.title, run.facts)}{lead}{contents}"


def lead_sentence(evaluations: Sequence[Evaluation]) -> str:
    """Says until which step forecasts are useful, as HTML."""
    if len(evaluations) == 1:
        (evaluation,) = evaluations
        model, *baselines = (useful_steps(evaluation.horizons, each) for each in FORECASTERS)
        persistence, linear, trend = baselines
        steps = len(evaluation.horizons.windows)
        return (
            f"A forecast is useful until <b>step {model} of {steps}</b>: until there its VRMSE is below 1, "
            f"the score of a constant field. Persistence is useful until step {persistence}, linear "
            f"extrapolation until step {linear}, the trend until step {trend}."
        )
    ended = [each for each in evaluations if useful_steps(each.horizons) < len(each.horizons.windows)]
    whole = len(evaluations) - len(ended)
    names = ", ".join(
        f"{escaped_words(each.task)} until step {useful_steps(each.horizons)} of {len(each.horizons.windows)}"
        for each in ended
    )
    others = f"; {names}" if names else ""
    return (
        f"Forecasts are useful (VRMSE below 1) to the end of the rollout on <b>{whole} of "
        f"{len(evaluations)}</b> datasets{others}."
    )


def _summary(evaluation: Evaluation) -> list[ScoreRow]:
    """One step ahead, the two windows that the paper gives for such a dataset, and useful steps."""
    rows = [_row(evaluation, window, _reached(evaluation, window)) for window in evaluation.reported]
    useful = tuple(float(useful_steps(evaluation.horizons, each)) for each in FORECASTERS)
    steps = len(evaluation.horizons.windows)
    return [*rows, ScoreRow(f"useful until step, of {steps}", useful, higher_is_better=True, whole=True)]


def _all_windows(evaluation: Evaluation, channel: str = ALL) -> list[ScoreRow]:
    """Every window; of those with equal steps, because the rollouts end there, only the first."""
    windows: dict[tuple[int, int] | None, str] = {}
    for window, steps in zip(evaluation.scores.windows, evaluation.scores.steps, strict=True):
        windows.setdefault(steps, window)
    return [_row(evaluation, window, window_words(steps or ()), channel) for steps, window in windows.items()]


def _row(
    evaluation: Evaluation, window: str, name: str, channel: str = ALL, measure: Measure = "vrmse"
) -> ScoreRow:
    values = [evaluation.scores.value(window, forecaster, measure, channel) for forecaster in FORECASTERS]
    return ScoreRow(name, tuple(values), higher_is_better=measure == "pearson")


def _reached(evaluation: Evaluation, window: str) -> str:
    """A window as far as the rollouts reach into it."""
    return window_words(evaluation.scores.steps[evaluation.scores.windows.index(window)] or ())


def _table(groups: Sequence[tuple[str, Sequence[ScoreRow]]], corner: str = "VRMSE") -> str:
    """The forecasters for each group and row; the best of a line is marked."""
    columns = (NARROW.get(name, name) for name in FORECASTERS)
    return table((corner, "", *columns), [_table_rows(name, rows) for name, rows in groups])


def _table_rows(name: str, rows: Sequence[ScoreRow]) -> list[str]:
    heads = [
        f'<th scope="rowgroup" rowspan="{len(rows)}">{escaped_words(name)}</th>',
        *[""] * (len(rows) - 1),
    ]
    cells = ["".join(_cell(value, row) for value in row.values) for row in rows]
    return [
        f"<tr>{head}<td>{escape(row.name)}</td>{line}</tr>"
        for head, row, line in zip(heads, rows, cells, strict=True)
    ]


def _cell(value: float, row: ScoreRow) -> str:
    words = f"{value:.0f}" if row.whole else score_words(value)
    marked = ' class="best" title="best of the line"' if value == row.best else ""
    return f"<td{marked}>{words}</td>"


def _section(number: int, result: DatasetResult) -> str:
    """The part of the page on one dataset: viewer, charts, tables of trajectories, fields and windows."""
    evaluation = result.evaluation
    fields = [(channel, _all_windows(evaluation, channel)) for channel in evaluation.channels]
    return f"""<section id="task-{number}"><h2>{escaped_words(result.task)}</h2>
<p>{_protocol(evaluation)}</p>
{_remarks(evaluation)}
{_published_table(evaluation)}
<h3>Rollouts</h3>{_viewer(evaluation)}{_lines(result)}
<h3>Curves</h3>{_charts(result)}
<p>The correlation with the truth stays above {HIGH_CORRELATION:g} until step
{correlated_steps(evaluation.horizons)} of {len(evaluation.horizons.windows)} (median over trajectories).</p>
<h3>Trajectories</h3>{trajectory_table(evaluation)}
<details><summary>Every field</summary>{_table(fields)}</details>
<details><summary>Every window and measure</summary>{_table([("all fields", _all_windows(evaluation))])}
{_table(_measures(evaluation), "measure")}</details>
</section>"""


def _protocol(evaluation: Evaluation) -> str:
    """Two sentences on how the forecasts were made."""
    protocol, count = evaluation.protocol, len(evaluation.trajectories)
    trajectories = counted(count, "trajectory")
    fields = counted(len(evaluation.channels), "field")
    steps = sorted({trajectory.rollout_FMTC.shape[2] for trajectory in evaluation.trajectories})
    lengths = f"{steps[0]}" if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"
    seeds = ("seed " if len(evaluation.seeds) == 1 else "seeds ") + ", ".join(map(str, evaluation.seeds))
    jitter = f"patch jitter on, {seeds}" if evaluation.jitters else "patch jitter off"
    cells, starts = " × ".join(map(str, evaluation.shape)), ", ".join(map(str, evaluation.starts))
    return (
        f"{trajectories} of the {protocol.split} split, {fields} on {cells} cells. Rollouts use "
        f"{protocol.history} frames, begin at frame {starts} (counted from 0) and have {lengths} steps; "
        f"{jitter}."
    )


def _remarks(evaluation: Evaluation) -> str:
    """Forecasts that left the range of the data or stopped, and fields without scores."""
    items = "".join(f"<li>{escape(remark)}</li>" for remark in evaluation.remarks)
    return f"<ul>{items}</ul>" if items else ""


def _viewer(evaluation: Evaluation) -> str:
    films = evaluation.recordings.films
    if not films:
        return ""
    shown = []
    for film in films:
        words = f" ({film.words})" if film.words and len(evaluation.trajectories) > 1 else ""
        shown.append(film_of(film.recording, f"{film.recording.facts.trajectory}{words}"))
    return viewer(shown, films[0].recording.views, f"{evaluation.task.replace('_', ' ')}: rollouts")


def _lines(result: DatasetResult) -> str:
    """For a grid of one axis: the picture over position and time, which shows more than the viewer."""
    if not result.evaluation.recordings.typical.views[0].is_line:
        return ""
    (drawing, *_) = result.drawings.pictures
    return figure(drawing.data, f"{escaped_words(result.task)}: {drawing.words}")


def _charts(result: DatasetResult) -> str:
    return "\n".join(
        chart(drawing.data, f"{escaped_words(result.task)}: {drawing.words}")
        for drawing in result.drawings.charts
    )


def _measures(evaluation: Evaluation) -> list[tuple[str, list[ScoreRow]]]:
    """Every measure one step ahead and over the first steps, the mean over all fields."""
    groups = []
    for window in evaluation.reported[:2]:
        rows = [_row(evaluation, window, measure.replace("_", " "), measure=measure) for measure in MEASURES]
        groups.append((_reached(evaluation, window), rows))
    return groups


def _published_table(evaluation: Evaluation) -> str:
    """The published figures of this dataset: of other data, so in a table of their own."""
    published = published_scores(evaluation.task)
    if published is None:
        return ""
    known: dict[str, float] = {}
    for values in published.vrmse.values():
        known |= values
    models = list(known)[::-1]
    head = "".join(f'<th scope="col">{escape(model)}</th>' for model in models)
    body = "".join(
        f'<tr><th scope="row">{_published_window(window)}</th>'
        + "".join(f"<td>{values.get(model, '–')}</td>" for model in models)
        + "</tr>"
        for window, values in published.vrmse.items()
    )
    return f"""<p>VRMSE as {CAPTION} (median; {escape(source())}). These figures are of other trajectories,
perhaps on another grid: use them as a rough guide, not as a comparison.</p>
<div class="table"><table class="numbers"><thead><tr><th>{CAPTION}</th>{head}</tr></thead>
<tbody>{body}</tbody></table></div>"""


def _published_window(window: str) -> str:
    return "one step" if window == ONE_STEP else f"steps {window.replace(':', '–')}"


def _notes(results: Sequence[DatasetResult]) -> str:
    """The definitions of all numbers and pictures of the report."""
    several = any(len(result.evaluation.seeds) > 1 for result in results)
    seeds = " Errors of the model are means over the seeds; pictures show the first." if several else ""
    return f"""<section><h2>How the numbers are defined</h2><ul>
<li><b>VRMSE</b> of one field and one frame is √( ⟨(u − v)²⟩ / (var u + ε) ): u is the truth, v the forecast,
mean and unbiased variance are over space, ε = {EPSILON:g} of the field's variance over the dataset: VRMSE is
the same in any unit. A perfect forecast scores 0, a constant field at the mean scores 1. Cells inside a solid
do not count; of a volume all other cells count, though a picture shows planes. A field that is uniform in
space has no VRMSE and is left out of means. <b>VRMSE published</b> is the published definition: all cells
count, solid ones too, and ε = {EPSILON:g} in the unit of the field squared;
it is misleading for fields of small numbers.</li>
<li><b>One step</b>: each frame of a trajectory that has enough history is forecast from true frames. The
baselines forecast the same frames.</li>
<li><b>Steps a–b</b>: a rollout fed with its own output. Scores are the mean over fields and frames, then the
median over trajectories; scores.csv also has mean and standard deviation, horizons.csv every single step.
Each component of a vector counts as a field.{seeds}</li>
<li><b>Persistence</b> repeats the last known frame, <b>linear</b> continues the last two along a straight
line, the <b>trend</b> continues the changes of the window by a linear rule that is fitted to them. The best
forecast of each row is marked.</li>
<li><b>Spectral errors</b> are the mean square error in three bins of |k|, of equal width in its logarithm;
relative ones are divided by the energy of the truth in the same bin. <b>Power spectra</b> take cells as
evenly spaced; an axis that is not periodic is tapered (Hann).</li>
<li><b>Conservation</b>: density, momentum (or density × velocity) and energy, summed by the volume of each
cell outside solids, compared with the last known frame. Truth drifts too where a boundary is open or a force
acts.</li>
<li><b>Useful</b>: up to the last step before VRMSE (median over trajectories) reaches 1.</li>
<li><b>The flow</b>: mean kinetic energy (½ρu², without a density ½u²), enstrophy (½ of the squared curl), and
divergence (its RMS divided by that of the whole gradient), by central differences.</li>
<li><b>Pictures</b>: the trajectory of median error (of two, the larger), then those of least and largest
error. First axis to the right, second upward, in the units of the source; large grids are thinned. Truth and
forecast share the colours of the truth: its outermost 0.2 % saturate, as does a forecast beyond it, and the
bar then has an arrow; error = forecast − truth. A projection through a volume shows the value of largest
magnitude along the line of sight; there forecast is truth plus that error. The frame shows the boundary:
thick is a wall, dotted is open, thin is periodic. Grey cells are solid or not finite.</li>
</ul></section>"""
