"""Does pretraining help on an unseen system? python docs/finetune_experiment.py FOLDER: 2 hours on one core.

`tiny` learns five sample systems, then one of two others. The same network with fresh weights learns the same
windows in the same order. FOLDER holds all results; finished ones are reused. Prints the table of docs/lab.md
and draws docs/images/finetune.png.

Axes: F forecaster, M measure, T steps of a rollout, C channel.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.catalogue import find_recipe
from pipelines.recipe import RunRecipe, find_run_recipe
from shards.disk import write_atomically
from shards.drawing.colours import BLUE, MUTED, ORANGE
from shards.json_text import to_text
from shards.program.machine import keep_freed_memory
from walrus.checkpoint import ModelDescription, load_model, save_model
from walrus.evaluation.forecast_protocol import ForecastProtocol
from walrus.evaluation.forecasts import Forecasts
from walrus.evaluation.metrics import VRMSE
from walrus.evaluation.scores import FORECASTERS
from walrus.model.cost import cost_of
from walrus.model.walrus import Walrus
from walrus.reading.stream import Shards, plan_stream
from walrus.rollout import Model
from walrus.training.distributed import join_world, leave_world
from walrus.training.objective import TrainingObjective
from walrus.training.schedule import ScheduleSettings
from walrus.training.train import fit
from walrus.vocabulary import PUBLISHED

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "tests" / "samples"
PICTURE = HERE / "images" / "finetune.png"
KEPT_OUT = {"shear_flow": "shear flow, 8 trajectories", "cns2d": "2D compressible flow, 2 trajectories"}
SEEDS = (0, 1, 2)
# The steps that `tiny` spends on five of its six systems.
BASE_STEPS = 2500
STEPS = (50, 150, 1000)
RATE = 2e-3
COLOURS = {"fine-tuned": BLUE, "from scratch": ORANGE, "persistence": MUTED}
ARMS = ("fine-tuned", "from scratch")

Rows = Sequence[dict[str, Any]]


def schedule(steps: int) -> ScheduleSettings:
    """As in the recipe of tiny: a short warm-up, a plateau, the last 60 % cooling down."""
    epochs = 50
    return ScheduleSettings(RATE, epochs, steps // epochs, warm_up=3, cool_down=30, offset=100_000)


def learn(
    recipe: RunRecipe,
    shards: Shards,
    names: Sequence[str],
    steps: int,
    seed: int,
    base: Path | None,
    folder: Path,
) -> Model:
    """Train on these datasets, from the weights in `base` or from new ones; saved in `folder`."""
    if not (folder / "model.json").is_file():
        chosen = Shards({name: shards.datasets[name] for name in names})
        settings, stream = recipe.model_settings, recipe.stream
        training = replace(recipe.training, seed=seed, checkpoint_every=steps)
        torch.manual_seed(seed)
        network = Walrus(settings, len(PUBLISHED))
        if base:
            network.load_state_dict(load_model(base)[1].network.state_dict())
        objective = TrainingObjective(
            network,
            PUBLISHED,
            seed,
            rotate=stream.rotate,
            jitters=training.jitter,
            eps=training.eps,
            loss=training.loss,
        )
        plan = plan_stream(chosen, dict.fromkeys(names, 1), stream, seed, cost_of(settings))
        weights = fit(
            objective,
            plan=plan,
            shards=chosen,
            engine_settings=recipe.engine,
            schedule=schedule(steps),
            settings=training,
            run=folder,
            report=lambda record: None,
        )
        description = ModelDescription(
            model=settings,
            vocabulary=PUBLISHED.names,
            history_2d=stream.history_2d,
            history_3d=stream.history_3d,
            eps=training.eps,
            jitters=training.jitter,
            step=steps,
            seed=seed,
            datasets=tuple(names),
        )
        save_model(folder, description, weights)
    return load_model(folder)[1]


def outcomes(folder: Path) -> Iterator[dict[str, Any]]:
    """One row per fine-tuning."""
    recipe = find_run_recipe("tiny")
    shards = ingest(recipe, folder / "data")
    others = [name for name in shards.datasets if name not in KEPT_OUT]
    for seed in SEEDS:
        base = folder / f"base-{seed}"
        learn(recipe, shards, others, BASE_STEPS, seed, None, base)
        for system, steps, arm in product(KEPT_OUT, STEPS, ARMS):
            place = folder / f"{system}-{steps}-{arm.replace(' ', '-')}-{seed}"
            done = place / "outcome.json"
            if not done.is_file():
                model = learn(
                    recipe, shards, [system], steps, seed, base if arm == "fine-tuned" else None, place
                )
                protocol = ForecastProtocol(recipe.stream.history_2d, recipe.evaluation.start, longest=20)
                row = {"system": system, "steps": steps, "arm": arm, "seed": seed}
                forecasts = Forecasts(model, shards.datasets[system], protocol)
                trajectories = [forecasts.errors(number) for number in forecasts.numbers]
                for number, name in enumerate(FORECASTERS):
                    one_step = np.mean(
                        [trajectory.one_step_FMKC[number, VRMSE].mean() for trajectory in trajectories]
                    )
                    error_TC = np.median(
                        [trajectory.rollout_FMTC[number, VRMSE] for trajectory in trajectories], 0
                    )
                    row[name] = {"one_step": float(one_step), "rollout": error_TC.mean(1).tolist()}
                write_atomically(done, to_text(row).encode())
            yield json.loads(done.read_text())


def ingest(recipe: RunRecipe, root: Path) -> Shards:
    """The six systems of the recipe and the one in held_out."""
    sources = [(choice.name, choice.set, HERE.parent / choice.path) for choice in recipe.datasets]
    sources.append((str(SAMPLES / "held_out" / "cns2d.toml"), (), SAMPLES / "held_out"))
    names = []
    for name, assignments, path in sources:
        chosen = find_recipe(name, assignments)
        build(plan_build(chosen, path, "zarr", "lz4"), root, Resources(1))
        names.append(chosen.name)
    return Shards.open(root, names)


def one_step(row: dict[str, Any], forecaster: str) -> float:
    return float(row[forecaster]["one_step"])


def whole_rollout(row: dict[str, Any], forecaster: str) -> float:
    return float(np.mean(row[forecaster]["rollout"]))


MEASURES = {"one step": one_step, "whole rollout": whole_rollout}


def values(rows: Rows, system: str, steps: int, arm: str, measure: str) -> list[float]:
    """One number per seed; persistence has the same for each."""
    forecaster = "persistence" if arm == "persistence" else "model"
    chosen = [row for row in rows if (row["system"], row["steps"]) == (system, steps)]
    return [MEASURES[measure](row, forecaster) for row in chosen if row["arm"] == arm or arm == "persistence"]


def table(rows: Rows) -> str:
    """Mean and range over the seeds, as markdown."""
    lines = [f"| system | measure | windows | {' | '.join(COLOURS)} |", "|---|---|---|---|---|---|"]
    for system, measure, steps in product(KEPT_OUT, MEASURES, STEPS):
        cells = [values(rows, system, steps, arm, measure) for arm in COLOURS]
        shown = [f"{np.mean(cell):.3f} ({min(cell):.3f}-{max(cell):.3f})" for cell in cells[:-1]]
        lines.append(f"| {system} | {measure} | {2 * steps} | {' | '.join(shown)} | {cells[-1][0]:.3f} |")
    return "\n".join(lines)


def draw(rows: Rows) -> None:
    mpl.rcParams |= {
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
    }
    figure, grid = plt.subplots(
        len(MEASURES), len(KEPT_OUT), figsize=(8.5, 5.4), layout="constrained", sharex=True
    )
    for (measure, system), panel in zip(product(MEASURES, KEPT_OUT), grid.flat, strict=True):
        draw_panel(panel, rows, system, measure)
    for panel in grid[-1]:
        panel.set_xlabel("windows seen")
    grid[0, 0].legend(frameon=False)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=160, metadata={"Software": None})


def draw_panel(panel: Axes, rows: Rows, system: str, measure: str) -> None:
    panel.set_title(KEPT_OUT[system])
    windows = [2 * steps for steps in STEPS]
    for arm, colour in COLOURS.items():
        every = [values(rows, system, steps, arm, measure) for steps in STEPS]
        dash = "dashed" if arm == "persistence" else "solid"
        panel.plot(windows, [np.mean(cell) for cell in every], color=colour, lw=2, ls=dash, label=arm)
        if arm in ARMS:
            for window, cell in zip(windows, every, strict=True):
                panel.scatter([window] * len(cell), cell, color=colour, s=12, zorder=3)
    panel.set(xscale="log", xticks=windows, xticklabels=windows, ylim=(0, None), ylabel=f"VRMSE, {measure}")
    panel.minorticks_off()


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    keep_freed_memory()
    meeting = folder / "meeting"
    meeting.unlink(missing_ok=True)
    join_world(0, 1, meeting)
    rows = list(outcomes(folder))
    leave_world()
    print(table(rows))
    draw(rows)


if __name__ == "__main__":
    main()
