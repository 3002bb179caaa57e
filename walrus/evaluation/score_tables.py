"""The scores of an evaluation as text: JSON, CSV, LaTeX, and a short table for the terminal."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from shards.checksum import crc32c_of
from shards.errors import MismatchError
from walrus.evaluation.evaluate import Evaluation
from walrus.evaluation.metrics import MEASURES, VRMSE
from walrus.evaluation.published_scores import CAPTION, published_scores, source
from walrus.evaluation.scores import (
    ALL,
    FORECASTERS,
    ONE_STEP,
    STATISTICS,
    Errors,
    Scores,
    mean_of_scored,
)

NAMES = {"model": "model", "persistence": "persist.", "linear": "linear", "trend": "trend"}
COLUMNS = ("task", "forecaster", "metric", "channel", "window", *STATISTICS)


# One number for each channel, by statistic; those by window, by measure and by forecaster. None: not finite.
Statistics = dict[str, tuple[float | None, ...]]
Nested = dict[str, dict[str, dict[str, Statistics]]]


@dataclass(frozen=True)
class PublishedTable:
    """VRMSE of a table of the paper, by window and model."""

    note: str
    source: str
    table: int
    vrmse: dict[str, dict[str, float]]


@dataclass(frozen=True)
class TaskScores:
    """The scores of one task, and how they were made.

    `scores` leads from forecaster to measure, window and statistic, and there to one number for each of
    `channels`. `windows` has the first and the last step that the rollouts reach. A value that is not finite,
    because a forecast diverged, is None. `remarks` are sentences on fields without scores and unstable
    forecasts.

    `draws`, `trend_share` and `change` are those of the model; earlier versions did not write them.

    `by_trajectory` leads from window to the model's VRMSE of each of `trajectories`, `by_step` from
    forecaster to the median VRMSE of each step; both are means over the fields. Earlier versions had neither.
    """

    split: str
    trajectories: tuple[str, ...]
    grid: tuple[int, ...]
    history: int
    start: tuple[int, ...]
    jitter: bool
    seeds: tuple[int, ...]
    channels: tuple[str, ...]
    windows: dict[str, tuple[int, ...]]
    scores: Nested
    conservation: dict[str, dict[str, float | None]]
    published: PublishedTable | None = None
    remarks: tuple[str, ...] = ()
    by_trajectory: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    by_step: dict[str, tuple[float | None, ...]] = field(default_factory=dict)
    draws: int | None = None
    trend_share: float | None = None
    change: tuple[float | None, ...] = ()


_SCORES = TypeAdapter(dict[str, TaskScores])


def task_scores(evaluations: Sequence[Evaluation]) -> dict[str, TaskScores]:
    """The scores of every task, by its name."""
    return {evaluation.task: _of_task(evaluation) for evaluation in evaluations}


def _of_task(evaluation: Evaluation) -> TaskScores:
    """The scores of an evaluation, next to the published ones where there are any."""
    protocol, scores = evaluation.protocol, evaluation.scores
    published = published_scores(evaluation.task)
    table = None
    if published is not None:
        table = PublishedTable(CAPTION, source(), published.table, published.vrmse)
    windows = zip(scores.windows, scores.steps, strict=True)
    return TaskScores(
        split=protocol.split,
        trajectories=tuple(trajectory.trajectory for trajectory in evaluation.trajectories),
        grid=tuple(evaluation.shape),
        history=protocol.history,
        start=tuple(evaluation.starts),
        jitter=evaluation.jitters,
        seeds=tuple(evaluation.seeds),
        channels=tuple(scores.channels),
        windows={window: tuple(steps or ()) for window, steps in windows},
        scores=_nested(scores),
        conservation=_drifts(evaluation),
        published=table,
        remarks=evaluation.remarks,
        by_trajectory=_by_trajectory(evaluation),
        by_step=_by_step(evaluation.horizons),
        draws=evaluation.draws,
        trend_share=evaluation.trend_share,
        change=tuple(map(_digits, evaluation.change)),
    )


def scores_document(tasks: Mapping[str, TaskScores]) -> dict[str, Any]:
    """The scores as plain JSON; a task without published figures has no key for them.

    The last key of each task is the checksum of its scores.
    """
    document: dict[str, Any] = _SCORES.dump_python(dict(tasks), mode="json")
    for name, task in document.items():
        if task["published"] is None:
            del task["published"]
        task["crc32c"] = _checksum(name, task)
    return document


def read_scores(path: Path) -> dict[str, TaskScores]:
    """Reads the scores that `scores_document` wrote into a file.

    Raises MismatchError if the file holds something else, or if a byte has changed.
    """
    try:
        text = path.read_bytes()
        tasks = _SCORES.validate_json(text)
    except (OSError, ValidationError) as error:
        raise MismatchError(
            f"{path}: holds no scores of this version ({error}); remove it to evaluate again"
        ) from error
    for name, task in json.loads(text).items():
        # Earlier versions wrote no checksum.
        written = task.pop("crc32c", None)
        if written is not None and written != _checksum(name, task):
            raise MismatchError(f"{path}: {name} differs from its checksum; remove it to evaluate again")
    return tasks


def _checksum(name: str, task: dict[str, Any]) -> int:
    """The checksum of the document of a task; not of its text, because files indent it differently."""
    return crc32c_of(json.dumps({name: task}).encode())


def _nested(scores: Scores) -> Nested:
    """The array of scores as nested dictionaries, by the names of its axes."""
    nested: Nested = {}
    for f, forecaster in enumerate(FORECASTERS):
        nested[forecaster] = {}
        for m, measure in enumerate(MEASURES):
            nested[forecaster][measure] = {}
            for w, window in enumerate(scores.windows):
                nested[forecaster][measure][window] = _by_statistic(scores.values_WFMCA[w, f, m])
    return nested


def _by_statistic(values_CA: Errors) -> Statistics:
    named = zip(STATISTICS, values_CA.T, strict=True)
    return {statistic: tuple(map(_digits, values_C)) for statistic, values_C in named}


def _digits(value: float) -> float | None:
    """Nine digits, more than a measurement of float32 fields has; None for infinity, which JSON lacks."""
    return float(f"{value:.9g}") if math.isfinite(value) else None


def _by_trajectory(evaluation: Evaluation) -> dict[str, tuple[float | None, ...]]:
    """VRMSE of the model on each trajectory, by window; None where a rollout does not reach the window."""
    scores, trajectories = evaluation.scores, evaluation.trajectories
    errors = {}
    for window, steps in zip(scores.windows, scores.steps, strict=True):
        if steps is None:
            seen = [each.one_step_FMKC[0, VRMSE] for each in trajectories]
        else:
            first, last = steps
            seen = [each.rollout_FMTC[0, VRMSE, first - 1 : last] for each in trajectories]
        errors[window] = tuple(_digits(float(mean_of_scored(error_TC.ravel(), 0))) for error_TC in seen)
    return errors


def _by_step(horizons: Scores) -> dict[str, tuple[float | None, ...]]:
    """The median VRMSE of each step, by forecaster."""
    steps: dict[str, tuple[float | None, ...]] = {}
    for forecaster in FORECASTERS:
        steps[forecaster] = tuple(_digits(horizons.value(step, forecaster)) for step in horizons.windows)
    return steps


def _drifts(evaluation: Evaluation) -> dict[str, dict[str, float | None]]:
    """The median size of the relative change of each conserved quantity at the last step of each rollout."""
    last_N2Q = np.abs([trajectory.drift_2TQ[:, -1] for trajectory in evaluation.trajectories])
    drifts = {}
    for q, quantity in enumerate(evaluation.conserved):
        truth, model = np.median(last_N2Q[..., q], axis=0)
        drifts[quantity] = {"truth": _digits(truth), "model": _digits(model)}
    return drifts


def to_csv(tables: Sequence[tuple[str, Scores]]) -> str:
    """One line per score: task, forecaster, metric, channel, window, statistics over the trajectories."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for task, scores in tables:
        for row in scores.rows():
            values = (f"{getattr(row, statistic):.9g}" for statistic in STATISTICS)
            writer.writerow((task, row.forecaster, row.measure, row.channel, row.window, *values))
    return text.getvalue()


def to_latex(evaluations: Sequence[Evaluation]) -> str:
    """A table for a paper, one row per task: VRMSE of all fields, the smallest of each window bold."""
    reported: dict[str, None] = {}
    for evaluation in evaluations:
        reported |= dict.fromkeys(evaluation.reported)
    windows, width = list(reported), len(FORECASTERS)
    heads = " & ".join(rf"\multicolumn{{{width}}}{{c}}{{{_head(window)}}}" for window in windows)
    names = " & ".join(NAMES[forecaster].replace("persist.", "persist.\\") for forecaster in FORECASTERS)
    rules = " ".join(
        rf"\cmidrule(lr){{{width * i + 2}-{width * i + width + 1}}}" for i in range(len(windows))
    )
    lines = [
        "% VRMSE: mean over fields and steps (in shorter rollouts those that exist), "
        "median over test trajectories.",
        "% Needs \\usepackage{booktabs}.",
        rf"\begin{{tabular}}{{l{'r' * width * len(windows)}}}",
        r"\toprule",
        rf" & {heads} \\ {rules}",
        rf"dataset & {' & '.join([names] * len(windows))} \\",
        r"\midrule",
        *(_latex_row(evaluation, windows) for evaluation in evaluations),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def window_words(steps: Sequence[int]) -> str:
    """A window by its first and last step; none is one step ahead.

    >>> window_words(()), window_words((1, 20)), window_words((1, 1))
    ('one step', 'steps 1–20', 'step 1')
    """
    if not steps:
        return "one step"
    first, last = steps
    return f"steps {first}–{last}" if last > first else f"step {first}"


def score_words(value: float) -> str:
    """Three digits; "diverged" where the error is not finite, a dash where there is none."""
    if math.isnan(value):
        return "–"
    return f"{value:#.3g}" if math.isfinite(value) else "diverged"


def _head(window: str) -> str:
    return "one step" if window == ONE_STEP else f"steps {window.replace(':', '--')}"


def _latex_row(evaluation: Evaluation, windows: Sequence[str]) -> str:
    cells = [evaluation.task.replace("_", r"\_")]
    for window in windows:
        if window not in evaluation.reported:
            cells += ["--"] * len(FORECASTERS)
            continue
        values = [evaluation.scores.value(window, forecaster) for forecaster in FORECASTERS]
        cells += [rf"\textbf{{{_plain(v)}}}" if v == min(values) else _plain(v) for v in values]
    return rf"{' & '.join(cells)} \\"


def _plain(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else r"$\infty$"


def score_table(tasks: Mapping[str, TaskScores], name: str) -> str:
    """One line per task: VRMSE one step ahead and over the rollout, next to that of the baselines."""
    width = max(len("dataset"), *(len(task) for task in tasks))
    head = f"{'':{width}}  {'one step':^35}  {'rollout':^41}".rstrip()
    columns = f"{name:>8} {'persist.':>8} {'linear':>8} {'trend':>8}"
    lines = [head, f"{'dataset':{width}}  {columns}   steps {columns}"]
    for task, found in tasks.items():
        window = next(window for window in found.windows if window != ONE_STEP)
        steps = "-".join(map(str, found.windows[window]))
        one_step, rollout = _line(median_vrmse(found, ONE_STEP)), _line(median_vrmse(found, window))
        lines.append(f"{task:{width}} {one_step}   {steps:>5}{rollout}")
    if len(tasks) > 1:
        one_step_TF = np.array([median_vrmse(found, ONE_STEP) for found in tasks.values()])
        lines.append(f"{'mean':{width}} {_line(one_step_TF.mean(0).tolist())}")
    for task, found in tasks.items():
        lines += [f"{task}: {remark}" for remark in found.remarks]
    return "\n".join(lines)


def median_vrmse(found: TaskScores, window: str) -> list[float]:
    """The median VRMSE of each forecaster over all fields; NaN for those of later versions."""
    every = found.channels.index(ALL)
    known = [found.scores[forecaster] for forecaster in FORECASTERS if forecaster in found.scores]
    values = [scores["vrmse"][window]["median"][every] for scores in known]
    missing = [math.nan] * (len(FORECASTERS) - len(known))
    return [math.inf if value is None else float(value) for value in values] + missing


def _line(values: Sequence[float]) -> str:
    """Columns of width 9, 8, 8 and 8; a number too large for them is written with an exponent."""
    texts = [f"{value:.4f}" if value < 1e3 else f"{value:.3g}" for value in values]
    return " ".join(f"{text:>{width}}" for text, width in zip(texts, (9, 8, 8, 8), strict=True))
