"""The scores of an evaluation as text: JSON, CSV, LaTeX, and a short table for the terminal."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from walrus.evaluation.evaluate import Evaluation
from walrus.evaluation.metrics import MEASURES
from walrus.evaluation.published_scores import CAPTION, published_scores, source
from walrus.evaluation.scores import ALL, FORECASTERS, ONE_STEP, STATISTICS, Scores

NAMES = {"model": "model", "persistence": "persist.", "linear": "linear"}
COLUMNS = ("task", "forecaster", "metric", "channel", "window", *STATISTICS)


def document(judgements: Sequence[Evaluation]) -> dict[str, Any]:
    """Every task's scores, and how they were made, as plain JSON.

    `scores` leads from forecaster over measure, window and statistic to one number for each of `channels`; the windows
    tell the first and last step that the rollouts reach. What is not finite, because a forecast diverged, is
    null.
    """
    return {judgement.task: _document(judgement) for judgement in judgements}


def _document(judgement: Evaluation) -> dict[str, Any]:
    protocol, scores = judgement.protocol, judgement.scores
    published = published_scores(judgement.task)
    result = {
        "split": protocol.split,
        "trajectories": [track.trajectory for track in judgement.tracks],
        "grid": list(judgement.shape),
        "history": protocol.history,
        "start": list(judgement.starts),
        "jitter": judgement.jitters,
        "seeds": list(judgement.seeds),
        "channels": list(scores.channels),
        "windows": {
            window: list(steps or ()) for window, steps in zip(scores.windows, scores.steps, strict=True)
        },
        "scores": _nested(scores),
        "conservation": _drifts(judgement),
    }
    if published is not None:
        result["published"] = {
            "note": CAPTION,
            "source": source(),
            "table": published.table,
            "vrmse": published.vrmse,
        }
    return result


def _nested(scores: Scores) -> dict[str, Any]:
    return {
        forecaster: {
            measure: {
                window: {
                    statistic: [_digits(value) for value in scores.values_WFMCA[w, f, m, :, a]]
                    for a, statistic in enumerate(STATISTICS)
                }
                for w, window in enumerate(scores.windows)
            }
            for m, measure in enumerate(MEASURES)
        }
        for f, forecaster in enumerate(FORECASTERS)
    }


def _digits(value: float) -> float | None:
    """Nine digits: more than a measurement of float32 fields has. JSON knows no infinity."""
    return float(f"{value:.9g}") if math.isfinite(value) else None


def _drifts(judgement: Evaluation) -> dict[str, Any]:
    """The median size of the relative change of each conserved quantity at the last step of each rollout."""
    last_N2Q = np.abs([track.drift_2TQ[:, -1] for track in judgement.tracks])
    return {
        quantity: dict(zip(("truth", "model"), map(_digits, np.median(last_N2Q[..., q], 0)), strict=True))
        for q, quantity in enumerate(judgement.conserved)
    }


def to_csv(tables: Sequence[tuple[str, Scores]]) -> str:
    """A line a number: task, forecaster, metric, channel, window, and its statistics over the trajectories."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for task, scores in tables:
        for row in scores.rows():
            values = (f"{getattr(row, statistic):.9g}" for statistic in STATISTICS)
            writer.writerow((task, row.forecaster, row.measure, row.channel, row.window, *values))
    return text.getvalue()


def to_latex(judgements: Sequence[Evaluation]) -> str:
    """A table for a paper, a row a task: VRMSE of all fields together, the smallest of each window bold."""
    windows = list(dict.fromkeys(window for each in judgements for window in each.reported))
    heads = " & ".join(rf"\multicolumn{{3}}{{c}}{{{_head(window)}}}" for window in windows)
    names = " & ".join(NAMES[forecaster].replace("persist.", "persist.\\") for forecaster in FORECASTERS)
    rules = " ".join(rf"\cmidrule(lr){{{3 * i + 2}-{3 * i + 4}}}" for i in range(len(windows)))
    lines = [
        "% VRMSE: mean over fields and steps (of a shorter rollout those it has), median over test trajectories.",
        "% Needs \\usepackage{booktabs}.",
        rf"\begin{{tabular}}{{l{'rrr' * len(windows)}}}",
        r"\toprule",
        rf" & {heads} \\ {rules}",
        rf"dataset & {' & '.join([names] * len(windows))} \\",
        r"\midrule",
        *(_latex_row(judgement, windows) for judgement in judgements),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _head(window: str) -> str:
    return "one step" if window == ONE_STEP else f"steps {window.replace(':', '--')}"


def _latex_row(judgement: Evaluation, windows: Sequence[str]) -> str:
    cells = [judgement.task.replace("_", r"\_")]
    for window in windows:
        if window not in judgement.reported:
            cells += ["--"] * len(FORECASTERS)
            continue
        values = [judgement.scores.value(window, forecaster) for forecaster in FORECASTERS]
        cells += [rf"\textbf{{{_plain(v)}}}" if v == min(values) else _plain(v) for v in values]
    return rf"{' & '.join(cells)} \\"


def _plain(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else r"$\infty$"


def score_table(tasks: dict[str, Any], name: str) -> str:
    """The scores of `document`, a line a task: VRMSE one step ahead and over the rollout, beside the baselines."""
    width = max(len("dataset"), *(len(task) for task in tasks))
    head = f"{'':{width}}  {'one step':^30}  {'rollout':^36}".rstrip()
    columns = f"{name:>8} {'persist.':>10} {'linear':>10}"
    lines = [head, f"{'dataset':{width}}  {columns}   steps {columns}"]
    for task, found in tasks.items():
        window = next(window for window in found["windows"] if window != ONE_STEP)
        first, last = found["windows"][window]
        steps = f"{first}-{last}"
        lines.append(
            f"{task:{width}} {_line(median_vrmse(found, ONE_STEP))}   {steps:>5}{_line(median_vrmse(found, window))}"
        )
    if len(tasks) > 1:
        rows = [median_vrmse(found, ONE_STEP) for found in tasks.values()]
        lines.append(
            f"{'mean':{width}} {_line([sum(column) / len(column) for column in zip(*rows, strict=True)])}"
        )
    return "\n".join(lines)


def median_vrmse(found: dict[str, Any], window: str) -> list[float]:
    """The median VRMSE of each forecaster, all fields together, in one task of `document`."""
    place = found["channels"].index(ALL)
    values = [found["scores"][forecaster]["vrmse"][window]["median"][place] for forecaster in FORECASTERS]
    return [math.inf if value is None else float(value) for value in values]


def _line(values: Sequence[float]) -> str:
    """Columns of 9, 10 and 10 places; what is too large for them keeps fewer digits, not fewer places."""
    texts = [f"{value:.4f}" if value < 1e3 else f"{value:.3g}" for value in values]
    return " ".join(f"{text:>{width}}" for text, width in zip(texts, (9, 10, 10), strict=True))
