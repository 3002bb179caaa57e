"""The table of trajectories of a report: parameters, errors, and until which step each forecast is useful."""

from __future__ import annotations

from html import escape

import numpy as np

from shards.drawing.html_page import table
from walrus.evaluation.evaluate import Evaluation
from walrus.evaluation.forecasts import TrajectoryErrors
from walrus.evaluation.metrics import VRMSE
from walrus.evaluation.scores import mean_of_scored
from walrus.evaluation.usefulness import useful_steps_of

# Longer tables are cut, and say so: scores.csv is by step, not by trajectory.
MOST_ROWS = 100
MOST_PARAMETERS = 6


def varied_parameters(evaluation: Evaluation) -> list[str]:
    """Parameters that all trajectories have and that differ between them."""
    scalars = [trajectory.scalars for trajectory in evaluation.trajectories]
    shared = [name for name in scalars[0] if all(name in each for each in scalars)]
    return [name for name in shared if len({each[name] for each in scalars}) > 1]


def trajectory_table(evaluation: Evaluation) -> str:
    """A row per trajectory, that of least error first."""
    parameters = varied_parameters(evaluation)[:MOST_PARAMETERS]
    filmed = {each.index: each.words for each in evaluation.recordings.films}
    order = sorted(
        range(len(evaluation.trajectories)), key=lambda index: evaluation.trajectories[index].error
    )
    rows = [
        _row(evaluation.trajectories[index], parameters, filmed.get(index, "")) for index in order[:MOST_ROWS]
    ]
    columns = ("trajectory", *(name.replace("_", " ") for name in parameters))
    scores = ("one step", "rollout", "useful until step")
    cut = f"<p>… and {len(order) - MOST_ROWS} more.</p>" if len(order) > MOST_ROWS else ""
    return table((*columns, *scores), [rows], "numbers names") + cut


def _row(trajectory: TrajectoryErrors, parameters: list[str], words: str) -> str:
    """Name and words of its film, parameters, VRMSE of one step and of the rollout, useful steps."""
    one_step = float(mean_of_scored(trajectory.one_step_FMKC[0, VRMSE].ravel(), 0))
    error_T = mean_of_scored(trajectory.rollout_FMTC[0, VRMSE], 1)
    steps = len(error_T)
    cells = (
        *(f"{trajectory.scalars[name]:.6g}" for name in parameters),
        *(f"{value:#.3g}" if np.isfinite(value) else "diverged" for value in (one_step, trajectory.error)),
        f"{useful_steps_of(error_T)} of {steps}",
    )
    note = f"<small>{escape(words)}</small>" if words else ""
    data = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(trajectory.trajectory)}{note}</th>{data}</tr>'
