"""Compare the scores of two evaluations: differences, and on how many trajectories each model is better."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shards.counted import counted
from shards.errors import MismatchError
from walrus.evaluation.published_scores import reported_windows
from walrus.evaluation.score_tables import TaskScores, median_vrmse, read_scores, window_words
from walrus.evaluation.scores import FORECASTERS, ONE_STEP, Forecaster

SCORES = "scores.json"
# Where a training run keeps its evaluation.
PLACES = ("", "evaluation")
# What must agree for scores to be comparable.
SHARED = ("split", "trajectories", "grid", "start", "channels")
# What may differ between two ways to forecast, and its name on the page.
WAYS = {
    "jitter": "patch jitter",
    "seeds": "seeds of the jitter",
    "draws": "draws of the jitter",
    "trend_share": "share of the trend",
    "change": "bounds on the change",
}
BASELINES: tuple[Forecaster, ...] = tuple(name for name in FORECASTERS if name != "model")


@dataclass(frozen=True)
class EvaluationScores:
    """The scores that one evaluation wrote, by task, and its name on the page."""

    name: str
    tasks: Mapping[str, TaskScores]


@dataclass(frozen=True)
class Difference:
    """VRMSE of two models on one task in one window; `better` counts where the second errs less.

    `steps` are the first and the last step, none for one step ahead; `count` is the number of trajectories.
    """

    task: str
    window: str
    steps: tuple[int, ...]
    first: float
    second: float
    better: int
    count: int

    @property
    def change(self) -> float:
        """Second minus first; below zero the second model is better."""
        return self.second - self.first

    @property
    def share(self) -> float:
        """The change in parts of the first."""
        return self.change / self.first if self.first else math.nan


@dataclass(frozen=True)
class Growth:
    """The median VRMSE of each rollout step on one task: of both models, and of the baselines by name."""

    task: str
    count: int
    models: tuple[tuple[float, ...], tuple[float, ...]]
    baselines: dict[Forecaster, tuple[float, ...]]


@dataclass(frozen=True)
class Comparison:
    """Two evaluations, their differences, the growth of their errors, and remarks on both."""

    first: str
    second: str
    differences: tuple[Difference, ...]
    growth: tuple[Growth, ...]
    remarks: tuple[str, ...]

    @property
    def document(self) -> dict[str, Any]:
        """The comparison as JSON."""
        rows = []
        for each in self.differences:
            known = {"task": each.task, "window": each.window, "trajectories": each.count}
            rows.append(
                {
                    **known,
                    "first": _finite(each.first),
                    "second": _finite(each.second),
                    "difference": _finite(each.change),
                    "second_is_better_on": each.better,
                }
            )
        return {
            "first": self.first,
            "second": self.second,
            "differences": rows,
            "remarks": list(self.remarks),
        }


def read_evaluations(folders: tuple[Path, Path]) -> tuple[EvaluationScores, EvaluationScores]:
    """The scores of two runs, or of two folders of walrus-evaluate.

    Raises MismatchError if a folder has none, or those of an earlier version, and for one folder twice.
    """
    places = [folder.resolve() for folder in folders]
    if places[0] == places[1]:
        raise MismatchError(f"{folders[0]}: is both runs; name two evaluated runs")
    names = [place.name for place in places]
    if names[0] == names[1]:
        names = [str(folder) for folder in folders]
    first, second = (_read_evaluation(folder, name) for folder, name in zip(folders, names, strict=True))
    return first, second


def _read_evaluation(folder: Path, name: str) -> EvaluationScores:
    """The scores of one folder, with all that a comparison needs."""
    paths = [folder / place / SCORES for place in PLACES]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise MismatchError(
            f"{folder}: has no {SCORES}, and no evaluation/{SCORES}; name an evaluated run, or the folder "
            "that walrus-evaluate wrote"
        )
    tasks = read_scores(path)
    old = [task for task, found in tasks.items() if not (found.by_trajectory and found.by_step)]
    if old:
        raise MismatchError(
            f"{path}: {', '.join(old)}: scored by an earlier version, which kept no scores by trajectory; "
            "evaluate again"
        )
    return EvaluationScores(name, tasks)


def compare(first: EvaluationScores, second: EvaluationScores) -> Comparison:
    """The differences on all tasks of both; raises MismatchError if the trajectories are not the same."""
    shared = [task for task in first.tasks if task in second.tasks]
    if not shared:
        raise MismatchError(
            f"{first.name} has {', '.join(first.tasks)}; {second.name} has {', '.join(second.tasks)}; there "
            "is no dataset of both to compare; evaluate both on one"
        )
    differences: list[Difference] = []
    growths: list[Growth] = []
    remarks: list[str] = []
    for task in shared:
        pair = first.tasks[task], second.tasks[task]
        _require_the_same(task, first.name, second.name, pair)
        differences += _differences(task, *pair)
        growths.append(_growth(task, *pair))
        remarks += _remarks(task, first.name, second.name, pair)
    for one, other in ((first, second), (second, first)):
        alone = [task for task in one.tasks if task not in other.tasks]
        if alone:
            remarks.append(f"only {one.name} has {', '.join(alone)}")
    # Most hold for all datasets: once is enough.
    told = tuple(dict.fromkeys(remarks))
    return Comparison(first.name, second.name, tuple(differences), tuple(growths), told)


def _require_the_same(task: str, first: str, second: str, pair: tuple[TaskScores, TaskScores]) -> None:
    """Raises MismatchError if the two were evaluated on other data."""
    for what in SHARED:
        one, other = (getattr(found, what) for found in pair)
        if one != other:
            raise MismatchError(
                f"{task}: {first} was evaluated with {what} {_words(one)}, {second} with {what} "
                f"{_words(other)}; their scores cannot be compared: evaluate both on the same trajectories"
            )
    # On the same data, persistence has the same errors next to any model.
    errors = [found.by_step["persistence"] for found in pair]
    if any(not _is_close(one, other) for one, other in zip(*errors, strict=False)):
        raise MismatchError(
            f"{task}: persistence has other errors for {first} than for {second}: the trajectories differ, "
            "though their names do not; evaluate both on one build of the dataset"
        )


def _is_close(one: float | None, other: float | None) -> bool:
    """Whether two errors are equal up to the rounding of another machine."""
    return math.isclose(_number(one), _number(other), rel_tol=1e-4)


def _words(value: object) -> str:
    """A value in few words: a list of many names by its length and its first."""
    if isinstance(value, tuple) and len(value) > 4:
        return f"{len(value)} ({value[0]}, ...)"
    if isinstance(value, bool):
        return "on" if value else "off"
    # JSON has no infinity: a bound that is None.
    many = value if isinstance(value, tuple) else (value,)
    return ", ".join(_word(each) for each in many)


def _word(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _differences(task: str, first: TaskScores, second: TaskScores) -> list[Difference]:
    """One for each window that is reported of such a dataset, and that both reach to the same step."""
    differences = []
    for window in dict.fromkeys((ONE_STEP, *reported_windows(task))):
        if window not in first.windows or first.windows[window] != second.windows.get(window):
            continue
        errors = zip(first.by_trajectory[window], second.by_trajectory[window], strict=True)
        pairs = [(_number(one), _number(other)) for one, other in errors]
        model_1, model_2 = median_vrmse(first, window)[0], median_vrmse(second, window)[0]
        better = sum(other < one for one, other in pairs)
        differences.append(
            Difference(task, window, first.windows[window], model_1, model_2, better, len(pairs))
        )
    return differences


def _growth(task: str, first: TaskScores, second: TaskScores) -> Growth:
    """Both models, and the baselines. One that an earlier version did not score is taken from the other."""
    known = second.by_step | first.by_step
    models = _numbers(first.by_step["model"]), _numbers(second.by_step["model"])
    baselines = {name: _numbers(known[name]) for name in BASELINES if name in known}
    return Growth(task, len(first.trajectories), models, baselines)


def _remarks(task: str, first: str, second: str, pair: tuple[TaskScores, TaskScores]) -> list[str]:
    """What differs and does not forbid a comparison."""
    remarks = []
    looks = [found.history for found in pair]
    if looks[0] != looks[1]:
        remarks.append(
            f"{task}: {first} looks back {looks[0]} frames, {second} {looks[1]}: their scores of one step "
            "are means over other frames"
        )
    lengths = [len(found.by_step["model"]) for found in pair]
    if lengths[0] != lengths[1]:
        remarks.append(
            f"{task}: rollouts of {lengths[0]} and of {lengths[1]} steps; windows that end at another step "
            "are left out"
        )
    for way, words in WAYS.items():
        one, other = (getattr(found, way) for found in pair)
        if one != other and None not in (one, other) and () not in (one, other):
            remarks.append(f"{words}: {_words(one)} for {first}; {_words(other)} for {second}")
    return remarks


def comparison_table(comparison: Comparison) -> str:
    """One line per dataset and window, for a terminal."""
    widest = max(len("dataset"), *(len(each.task) for each in comparison.differences))
    columns = f"{'VRMSE':12} {'first':>9} {'second':>9} {'difference':>11}"
    head = f"{'dataset':{widest}}  {columns}  second is better on"
    lines = [f"first: {comparison.first}, second: {comparison.second}", head]
    for each in comparison.differences:
        share = f"{each.share:+.1%}" if math.isfinite(each.share) else "–"
        window = window_words(each.steps)
        scores = f"{window:12} {each.first:9.4g} {each.second:9.4g} {share:>11}"
        lines.append(f"{each.task:{widest}}  {scores}  {each.better} of {counted(each.count, 'trajectory')}")
    return "\n".join([*lines, *comparison.remarks])


def _numbers(values: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(map(_number, values))


def _number(value: float | None) -> float:
    """A score, infinite where it is not finite."""
    return math.inf if value is None else value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
