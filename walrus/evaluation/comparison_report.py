"""One HTML page that sets two evaluations next to each other: scores, differences, growth of the errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from shards.disk import write_atomically
from shards.drawing.canvas import caption_words, log_axis, sheet, style
from shards.drawing.colours import BLUE, GREEN, INK, MUTED, ORANGE
from shards.drawing.html_page import chart, escaped_words, heading, page, table
from walrus.evaluation.comparison import Comparison, Difference, Growth
from walrus.evaluation.curve_figures import ERROR_CEILING, ERROR_FLOOR, NAMES, step_axis
from walrus.evaluation.score_tables import score_words, window_words
from walrus.evaluation.scores import Forecaster

NAME = "comparison.html"
MODEL_HUES = (BLUE, ORANGE)
# The second model has the colour that linear extrapolation has next to one model.
BASELINE_LOOKS: dict[Forecaster, tuple[str, str]] = {
    "persistence": (MUTED, "solid"),
    "linear": (MUTED, "dashed"),
    "trend": (GREEN, "dashed"),
}


@dataclass(frozen=True)
class _Line:
    """The error of each step of one forecaster, and how it is drawn."""

    name: str
    errors: tuple[float, ...]
    hue: str
    dash: str = "solid"


def write_comparison(folder: Path, comparison: Comparison) -> Path:
    """Writes the page into a folder, and returns its path."""
    body = "\n".join(
        [
            heading(f"{comparison.second} next to {comparison.first}", _facts(comparison)),
            f'<p class="lead">{_lead(comparison)}</p>',
            _table(comparison),
            _remarks(comparison.remarks),
            "<h2>Rollouts</h2>",
            chart(growth_of_both(comparison), "VRMSE against the rollout step, of both models"),
            _NOTES,
        ]
    )
    path = folder / NAME
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, page(f"{comparison.second} next to {comparison.first}", body).encode())
    return path


def _facts(comparison: Comparison) -> tuple[tuple[str, str], ...]:
    datasets = {each.task: each.count for each in comparison.differences}
    return (
        ("first", comparison.first),
        ("second", comparison.second),
        ("datasets", str(len(datasets))),
        ("trajectories", f"{sum(datasets.values())}, the same for both"),
    )


def _lead(comparison: Comparison) -> str:
    """On how many trajectories the second model errs less, one step ahead and in rollouts, as HTML."""
    one_step = [each for each in comparison.differences if not each.steps]
    rollouts: dict[str, Difference] = {}
    for each in comparison.differences:
        if each.steps:
            rollouts.setdefault(each.task, each)
    phrases = []
    for chosen, words in ((one_step, "one step ahead"), (rollouts.values(), "in rollouts")):
        better, count = sum(each.better for each in chosen), sum(each.count for each in chosen)
        phrases.append(f"on <b>{better} of {count}</b> trajectories {words}")
    return f"{escape(comparison.second)} has the smaller error {', '.join(phrases)}."


def _table(comparison: Comparison) -> str:
    """A body per dataset, a line per window; the smaller error of a line is marked."""
    groups: dict[str, list[Difference]] = {}
    for each in comparison.differences:
        groups.setdefault(each.task, []).append(each)
    columns = ("VRMSE", "", comparison.first, comparison.second, "difference", "better on")
    return table(columns, [_rows(task, rows) for task, rows in groups.items()])


def _rows(task: str, rows: Sequence[Difference]) -> list[str]:
    """The lines of one dataset, whose name spans them."""
    lines = []
    for number, each in enumerate(rows):
        head = f'<th scope="rowgroup" rowspan="{len(rows)}">{escaped_words(task)}</th>' if number == 0 else ""
        least = min(each.first, each.second)
        scores = "".join(_score(value, is_smaller=value == least) for value in (each.first, each.second))
        share = f"{each.share:+.1%}".replace("-", "−") if math.isfinite(each.share) else "–"
        last_cells = f"<td>{share}</td><td>{each.better} of {each.count}</td>"
        lines.append(f"<tr>{head}<td>{window_words(each.steps)}</td>{scores}{last_cells}</tr>")
    return lines


def _score(value: float, *, is_smaller: bool) -> str:
    words = score_words(value)
    return f'<td class="best" title="the smaller one">{words}</td>' if is_smaller else f"<td>{words}</td>"


def _remarks(remarks: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(remark)}</li>" for remark in remarks)
    return f"<ul>{items}</ul>" if items else ""


def growth_of_both(comparison: Comparison) -> bytes:
    """PNG: the median VRMSE of each rollout step, a box per dataset, all forecasters in each."""
    with style():
        caption = "VRMSE, mean over the fields, median over the trajectories; dotted: a constant field"
        page_of_boxes, boxes = sheet("error growth", caption, len(comparison.growth))
        for axes, growth in zip(boxes, comparison.growth, strict=True):
            lines = _lines((comparison.first, comparison.second), growth)
            for line in lines:
                drawn = np.nan_to_num(np.array(line.errors), nan=np.nan, posinf=1e6).clip(ERROR_FLOOR, 1e6)
                marker = "o" if len(drawn) == 1 else ""
                (artist,) = axes.plot(np.arange(1, len(drawn) + 1), drawn, color=line.hue, label=line.name)
                artist.set(linestyle=line.dash, marker=marker, markersize=3)
            known = np.concatenate([np.array(line.errors) for line in lines])
            known = known[np.isfinite(known)].clip(ERROR_FLOOR)
            low, high = (known.min() / 1.2, known.max() * 1.2) if known.size else (0.1, 10.0)
            log_axis(axes, low, min(high, max(ERROR_CEILING, 100 * low)))
            axes.axhline(1, color=INK, linewidth=0.5, linestyle=(0, (1, 2)))
            axes.set_title(f"{caption_words(growth.task)} (n = {growth.count})", loc="left", size=8)
            step_axis(axes, max(len(line.errors) for line in lines))
        boxes[0].legend(fontsize=6, handlelength=1.6, labelspacing=0.25)
        return page_of_boxes.png()


def _lines(models: tuple[str, str], growth: Growth) -> list[_Line]:
    """The models by their names, then the baselines."""
    lines = [_Line(*each) for each in zip(models, growth.models, MODEL_HUES, strict=True)]
    return lines + [
        _Line(NAMES[name], errors, *BASELINE_LOOKS[name]) for name, errors in growth.baselines.items()
    ]


_NOTES = """<section><h2>How the numbers are defined</h2><ul>
<li><b>VRMSE</b>: 0 is a perfect forecast, 1 the score of a constant field at the mean. Scores are means over
fields and steps, then the median over trajectories.</li>
<li><b>Difference</b>: second minus first, in percent of the first; below zero the second is better.</li>
<li><b>Better on</b>: on how many trajectories the second model has the smaller error. A median may
hide that a model is better on half of them only.</li>
<li><b>Persistence</b> repeats the last known frame, <b>linear extrapolation</b> continues the last two along
a straight line, the <b>trend</b> continues the changes of the window by a linear rule that is fitted to
them.</li>
<li>Both were evaluated on the same trajectories, from the same start; a comparison of others is refused.</li>
</ul></section>"""
