"""The scores of one small evaluation as JSON, CSV, LaTeX and text."""

import csv
import io
import json
from types import SimpleNamespace

import numpy as np
import pytest

from walrus.evaluation.evaluate import Evaluation
from walrus.evaluation.forecast_protocol import ForecastProtocol
from walrus.evaluation.forecasts import TrajectoryErrors
from walrus.evaluation.metrics import MEASURES
from walrus.evaluation.score_tables import (
    score_table,
    scores_document,
    task_scores,
    to_csv,
    to_latex,
)


def evaluation(task: str, model: float, steps: int = 8) -> Evaluation:
    """Two trajectories: the model errs by `model` and three times that, the baselines by 0.5, 0.7 and 0.9."""
    trajectories = []
    for name, factor in (("a", 1.0), ("b", 3.0)):
        errors = np.ones((4, len(MEASURES), steps, 2)) * np.reshape(
            [model * factor, 0.5, 0.7, 0.9], (4, 1, 1, 1)
        )
        drift = np.full((2, steps, 1), -0.25) * np.reshape([0.0, factor], (2, 1, 1))
        spectrum, flow = np.ones((2, 2, 2, 3)), np.ones((2, steps, 0))
        trajectories.append(TrajectoryErrors(name, 4, errors, errors, spectrum, drift, flow))
    protocol = ForecastProtocol(history=4, start=4, seeds=(0, 1))
    return Evaluation(
        task,
        protocol,
        True,
        (0, 1),
        ("u", "v"),
        (6, 4),
        ("mass",),
        (),
        tuple(trajectories),
        SimpleNamespace(),
    )


@pytest.fixture(scope="module")
def two() -> list[Evaluation]:
    return [evaluation("shear_flow", 0.1, 30), evaluation("own_flow", 0.4)]


def test_the_document_says_what_and_how_and_survives_json(two) -> None:
    found = json.loads(json.dumps(scores_document(task_scores(two))))
    shear = found["shear_flow"]
    assert (shear["split"], shear["history"], shear["start"], shear["seeds"]) == ("test", 4, [4], [0, 1])
    assert shear["trajectories"] == ["a", "b"]
    assert shear["channels"] == ["all", "u", "v"]
    assert shear["windows"]["21:60"] == [21, 30]
    assert shear["scores"]["model"]["mae"]["1:20"]["mean"] == pytest.approx([0.2] * 3)
    assert shear["scores"]["model"]["mae"]["1:20"]["std"] == pytest.approx([0.1] * 3)
    assert shear["conservation"] == {"mass": {"truth": 0.0, "model": 0.5}}


def test_published_figures_are_marked_as_such_and_absent_for_an_own_system(two) -> None:
    found = scores_document(task_scores(two))
    assert found["shear_flow"]["published"]["note"] == "published, on the full test set"
    assert found["shear_flow"]["published"]["vrmse"]["one-step"]["Walrus"] == 0.0012
    assert "published" not in found["own_flow"]


def test_the_csv_is_one_long_table(two) -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv([(each.task, each.scores) for each in two]))))
    assert list(lines[0]) == ["task", "forecaster", "metric", "channel", "window", "median", "mean", "std"]
    (line,) = [
        line
        for line in lines
        if (line["task"], line["forecaster"], line["metric"], line["channel"], line["window"])
        == ("shear_flow", "linear", "linf", "v", "11:30")
    ]
    assert float(line["median"]) == pytest.approx(0.7)


def test_the_latex_table_is_balanced_and_marks_the_smallest(two) -> None:
    text = to_latex(two)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    rows = [line for line in text.splitlines() if line.startswith(("shear", "own"))]
    assert rows[0] == (
        r"shear\_flow & \textbf{0.200} & 0.500 & 0.700 & 0.900 & \textbf{0.200} & 0.500 & 0.700 & 0.900 & "
        r"\textbf{0.200} & 0.500 & 0.700 & 0.900 \\"
    )
    assert rows[1] == (
        r"own\_flow & 0.800 & \textbf{0.500} & 0.700 & 0.900 & 0.800 & \textbf{0.500} & 0.700 & 0.900 & "
        r"-- & -- & -- & -- \\"
    )


def test_a_downstream_system_is_told_in_the_windows_that_the_paper_gives_for_it() -> None:
    text = to_latex([evaluation("shear_flow", 0.1, 30), evaluation("pdearena_conditioned_ins", 0.1, 30)])
    assert [window in text for window in ("1--20", "21--60", "1--10", "11--30")] == [True] * 4
    (row,) = [line for line in text.splitlines() if line.startswith("pdearena")]
    cells = [cell.strip(" \\") for cell in row.split("&")[1:]]
    assert cells[4:12] == ["--"] * 8
    assert "--" not in cells[12:]


def test_a_diverged_forecast_is_infinite_in_every_form_that_knows_infinity() -> None:
    lost = [evaluation("lost", np.inf)]
    assert r"$\infty$" in to_latex(lost)
    assert "inf" in score_table(task_scores(lost), "model")
    assert ",inf," in to_csv([("lost", lost[0].scores)])
    assert (
        scores_document(task_scores(lost))["lost"]["scores"]["model"]["vrmse"]["1:10"]["median"] == [None] * 3
    )
    json.dumps(scores_document(task_scores(lost)), allow_nan=False)


@pytest.mark.parametrize("error", [617.28, 6172.8, 6.1728e8])
def test_a_large_error_keeps_its_first_digits_and_its_column(two, error: float) -> None:
    head, line, *_ = score_table(
        task_scores([evaluation("shear_flow", error), *two[1:]]), "model"
    ).splitlines()[1:]
    assert float(line.split()[1]) == pytest.approx(2 * error, rel=0.01)
    assert len(line) == len(head)


def test_the_table_has_a_line_a_task_and_a_mean(two) -> None:
    lines = score_table(task_scores(two), "model").splitlines()
    assert len(lines) == 5
    assert lines[2].split() == [
        "shear_flow",
        "0.2000",
        "0.5000",
        "0.7000",
        "0.9000",
        "1-20",
        "0.2000",
        "0.5000",
        "0.7000",
        "0.9000",
    ]
    assert lines[3].split()[5] == "1-8"
    assert lines[4].split() == ["mean", "0.5000", "0.5000", "0.7000", "0.9000"]


def test_scores_of_an_earlier_version_have_no_trend(two) -> None:
    tasks = task_scores(two)
    for found in tasks.values():
        del found.scores["trend"]
    line = score_table(tasks, "model").splitlines()[2]
    assert line.split()[3:6] == ["0.7000", "nan", "1-20"]
