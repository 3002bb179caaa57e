"""Print the table of docs/lab.md on patch jitter in rollouts.

    python docs/jitter_ablation.py RUN --root ROOT --seeds 3

Evaluates the run on every dataset it was trained on, with the settings of its recipe: without jitter once,
with jitter once per seed. The numbers are VRMSE over whole rollouts: mean over fields and steps, median over
test trajectories.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pipelines.recipe import find_run_recipe
from shards.program.console import one_line_errors, say
from shards.read import Dataset
from walrus.checkpoint import load_model
from walrus.evaluation.forecast_protocol import ForecastProtocol
from walrus.evaluation.forecasts import Forecasts
from walrus.evaluation.published_scores import published_scores
from walrus.rollout import Model

COLUMNS = (
    "dataset",
    "steps",
    "without",
    "with, each seed",
    "mean ± std",
    "with / without",
    "paper, with / without",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def rollout_error(model: Model, dataset: Dataset, protocol: ForecastProtocol) -> tuple[float, int]:
    """The error, and how many steps the longest rollout has."""
    forecasts = Forecasts(model, dataset, protocol)
    trajectories = [forecasts.errors(number) for number in forecasts.numbers]
    return float(np.median([trajectory.error for trajectory in trajectories])), max(
        trajectory.rollout_FMTC.shape[2] for trajectory in trajectories
    )


def row(model: Model, dataset: Dataset, protocol: ForecastProtocol, seeds: int) -> tuple[str, float]:
    """One row of the table, and the ratio of both errors."""
    without, steps = rollout_error(replace(model, jitters=False), dataset, protocol)
    jittered = replace(model, jitters=True)
    found = [rollout_error(jittered, dataset, replace(protocol, seeds=(seed,)))[0] for seed in range(seeds)]
    mean, std, each = np.mean(found), np.std(found), ", ".join(f"{value:.3f}" for value in found)
    published = published_scores(dataset.card.name)
    paper = (
        ""
        if published is None or published.jitter is None
        else f"{published.jitter.on} / {published.jitter.off}"
    )
    ratio = float(mean / without)
    line = f"| {dataset.card.name} | {steps} | {without:.3f} | {each} | {mean:.3f} ± {std:.3f}"
    line += f" | {ratio:.3f} | {paper} |"
    return line, ratio


def main(
    run: Path,
    root: Annotated[Path, typer.Option()],
    seeds: Annotated[int, typer.Option(min=1)] = 3,
) -> None:
    with one_line_errors("jitter_ablation"):
        description, model = load_model(run)
        settings = find_run_recipe(str(run / "recipe.toml")).evaluation
        typer.echo(HEAD)
        ratios = []
        for name in description.datasets:
            dataset = Dataset(root / name)
            history = description.history(len(dataset.card.schema.grid.axes))
            line, ratio = row(model, dataset, settings.protocol(history), seeds)
            typer.echo(line)
            say(f"evaluated {name}")
            ratios.append(ratio)
        better = sum(ratio < 1 for ratio in ratios)
        middle = np.median(ratios)
        typer.echo(f"\nJitter is better on {better} of {len(ratios)}; median of with / without {middle:.3f}.")


if __name__ == "__main__":
    typer.run(main)
