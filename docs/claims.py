"""Claims of the paper in small, each with a verdict: python docs/claims.py RUN --root ROOT --out FOLDER

RUN is a pretrained model, as `make pretrain` leaves it, ROOT its shards. FOLDER holds what is trained;
finished parts are reused. Prints the table of docs/lab.md and draws docs/images/claims.png. A claim is shown
where every seed (or, for jitter, all systems but one) agrees with it. Half an hour on two cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import numpy as np
import typer
from finetune_experiment import ingest, learn
from jitter_ablation import rollout_error
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from pipelines.recipe import RunRecipe, find_run_recipe
from shards.disk import write_atomically
from shards.drawing.colours import BLUE, MUTED
from shards.json_text import to_text
from shards.program.console import one_line_errors, say
from shards.program.machine import keep_freed_memory
from shards.read import Dataset
from walrus.checkpoint import load_model
from walrus.evaluation.forecast_protocol import ForecastProtocol
from walrus.evaluation.forecasts import Forecasts
from walrus.evaluation.metrics import VRMSE
from walrus.evaluation.scores import FORECASTERS
from walrus.reading.stream import Shards
from walrus.rollout import Model
from walrus.training.distributed import join_world, leave_world

HERE = Path(__file__).parent
PICTURE = HERE / "images" / "claims.png"
GROUPING = HERE.parent / "tests" / "bench" / "bench_grouping.py"
SEEDS = (0, 1, 2)
# The system that no pretraining of the repository sees, and the one that a narrow pretraining sees.
UNSEEN, SINGLE = "cns2d", "shear_flow"
BASE_STEPS, TUNING_STEPS = 150, 50
WIDER = 192
# A gain of less is noise of the machine.
LEAST_GAIN = 1.05


@dataclass(frozen=True)
class Outcome:
    """What was found for one claim; `bars` are the numbers of each arm, one per seed."""

    claim: str
    found: str
    verdict: str
    unit: str
    bars: Mapping[str, Sequence[float]]


def verdict(better: Sequence[float], worse: Sequence[float]) -> str:
    """Whether the errors of one arm are below those of the other, seed by seed.

    >>> verdict([0.1, 0.2], [0.3, 0.4]), verdict([0.1, 0.5], [0.3, 0.4]), verdict([0.5, 0.6], [0.3, 0.4])
    ('shown', 'not shown', 'the opposite')
    """
    wins = sum(low < high for low, high in zip(better, worse, strict=True))
    return {len(better): "shown", 0: "the opposite"}.get(wins, "not shown")


def jitter(run: Path, root: Path) -> Outcome:
    """Rollouts of the run with and without patch jitter, on every system it was trained on."""
    description, model = load_model(run)
    settings = find_run_recipe(str(run / "recipe.toml")).evaluation
    ratios = {}
    for name in description.datasets:
        dataset = Dataset(root / name)
        protocol = settings.protocol(description.history(len(dataset.card.schema.grid.axes)))
        without, _ = rollout_error(replace(model, jitters=False), dataset, protocol)
        ratios[name] = rollout_error(replace(model, jitters=True), dataset, protocol)[0] / without
    better = sum(ratio < 1 for ratio in ratios.values())
    gain = 1 - np.median(list(ratios.values()))
    return Outcome(
        "patch jitter makes rollouts better",
        f"better on {better} of {len(ratios)} systems, in the median by {gain:.1%}",
        "shown" if better >= len(ratios) - 1 else "not shown",
        "rollout VRMSE with / without",
        {name.split("_")[0]: [ratio] for name, ratio in ratios.items()},
    )


def grouping(folder: Path) -> Outcome:
    """Speed of two ranks on tasks of their own, on one task together, and with balanced windows."""
    file = folder / "grouping-rows.json"
    if not file.is_file():
        command = [sys.executable, str(GROUPING), "--ranks", "2", "--steps", "6", "--json", str(file)]
        subprocess.run(command, check=True, stdout=sys.stderr)
    gains = {row["strategy"]: row["gain"] for row in json.loads(file.read_text(encoding="utf-8"))}
    return Outcome(
        "ranks that work on one task together wait less",
        f"{gains['grouped']:.2f} times the speed of a task per rank; "
        f"{gains['balanced']:.2f} times with balanced windows",
        "shown" if gains["balanced"] > LEAST_GAIN else "not shown",
        "speed / a task per rank",
        {name: [gain] for name, gain in gains.items()},
    )


def one_step(model: Model, dataset: Dataset, recipe: RunRecipe) -> float:
    """The mean one-step VRMSE of the model over test trajectories."""
    protocol = ForecastProtocol(recipe.stream.history_2d, recipe.evaluation.start, longest=1)
    forecasts = Forecasts(model, dataset, protocol)
    row = FORECASTERS.index("model")
    return float(
        np.mean([forecasts.errors(number).one_step_FMKC[row, VRMSE].mean() for number in forecasts.numbers])
    )


def after_tuning(
    recipe: RunRecipe, shards: Shards, bases: Mapping[int, Path | None], folder: Path
) -> list[float]:
    """The error on the unseen system after a short fine-tuning, one per seed, from the base of each seed."""
    errors = []
    for seed, base in bases.items():
        model = learn(recipe, shards, [UNSEEN], TUNING_STEPS, seed, base, folder / f"{UNSEEN}-{seed}")
        errors.append(one_step(model, shards.datasets[UNSEEN], recipe))
    return errors


def pretraining(run: Path, recipe: RunRecipe, shards: Shards, folder: Path) -> Outcome:
    """The run fine-tuned on a system it never saw, next to new weights on the same windows."""
    tuned = after_tuning(recipe, shards, dict.fromkeys(SEEDS, run), folder / "tuned")
    scratch = after_tuning(recipe, shards, dict.fromkeys(SEEDS), folder / "scratch")
    return Outcome(
        "a pretrained model learns an unseen system from fewer windows",
        f"one step {np.mean(tuned):.3f} after {2 * TUNING_STEPS} windows, "
        f"{np.mean(scratch):.3f} from scratch",
        verdict(tuned, scratch),
        "one-step VRMSE, unseen system",
        {"pretrained": tuned, "from scratch": scratch},
    )


def diversity(recipe: RunRecipe, shards: Shards, folder: Path) -> Outcome:
    """A small network pretrained on six systems, a small and a wider one on a single system, equal steps."""
    six = [name for name in shards.datasets if name != UNSEEN]
    wide = replace(recipe, size={"hidden": WIDER, "mlp": 4 * WIDER})
    arms = {
        "six systems, small": (recipe, six),
        "one system, small": (recipe, [SINGLE]),
        "one system, wide": (wide, [SINGLE]),
    }
    bars = {}
    for arm, (chosen, names) in arms.items():
        place = folder / arm.replace(", ", "-").replace(" ", "-")
        bases: dict[int, Path | None] = {seed: place / f"base-{seed}" for seed in SEEDS}
        for seed, base in bases.items():
            assert base is not None
            learn(chosen, shards, names, BASE_STEPS, seed, None, base)
        bars[arm] = after_tuning(chosen, shards, bases, place)
    diverse, narrow, wider = bars.values()
    return Outcome(
        "diversity of the data comes before the size of the network",
        f"one step {np.mean(diverse):.3f} after six systems, {np.mean(narrow):.3f} after one, "
        f"{np.mean(wider):.3f} after one with twice the width",
        verdict(diverse, wider),
        "one-step VRMSE, unseen system",
        bars,
    )


def kept(file: Path, work: Callable[[], Outcome]) -> Outcome:
    """The outcome in this file, or that of the work, which is then kept there."""
    if not file.is_file():
        outcome = work()
        write_atomically(file, to_text(asdict(outcome)).encode())
        say(f"{outcome.claim}: {outcome.found}: {outcome.verdict}")
    return Outcome(**json.loads(file.read_text(encoding="utf-8")))


def table(outcomes: Sequence[Outcome]) -> str:
    """All claims as markdown."""
    lines = [f"| {outcome.claim} | {outcome.found} | **{outcome.verdict}** |" for outcome in outcomes]
    return "\n".join(["| claim | found | verdict |", "|---|---|---|", *lines])


def draw(outcomes: Sequence[Outcome]) -> None:
    """A panel for each claim: bars are means, points are seeds."""
    mpl.rcParams |= {
        "font.size": 8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
    }
    figure, panels = plt.subplots(2, 2, figsize=(9, 5), layout="constrained")
    for panel, outcome in zip(panels.flat, outcomes, strict=True):
        draw_panel(panel, outcome)
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=160, metadata={"Software": None})


def draw_panel(panel: Axes, outcome: Outcome) -> None:
    panel.set_title(f"{outcome.claim}: {outcome.verdict}", fontsize=8)
    rows = range(len(outcome.bars))
    panel.barh(rows, [np.mean(values) for values in outcome.bars.values()], color=BLUE, alpha=0.5)
    for row, values in zip(rows, outcome.bars.values(), strict=True):
        if len(values) > 1:
            panel.scatter(values, [row] * len(values), color=BLUE, s=10, zorder=3)
    if "/" in outcome.unit:
        panel.axvline(1, color=MUTED, ls="dashed")
    panel.set(yticks=rows, yticklabels=list(outcome.bars), xlabel=outcome.unit)
    panel.invert_yaxis()


def main(
    run: Path,
    root: Annotated[Path, typer.Option()],
    out: Annotated[Path, typer.Option()],
) -> None:
    with one_line_errors("claims"):
        out.mkdir(parents=True, exist_ok=True)
        keep_freed_memory()
        recipe = find_run_recipe("tiny")
        shards = ingest(recipe, out / "data")
        meeting = out / "meeting"
        meeting.unlink(missing_ok=True)
        join_world(0, 1, meeting)
        works: dict[str, Callable[[], Outcome]] = {
            "pretraining": lambda: pretraining(run, recipe, shards, out),
            "jitter": lambda: jitter(run, root),
            "diversity": lambda: diversity(recipe, shards, out),
            "grouping": lambda: grouping(out),
        }
        outcomes = [kept(out / f"{name}.json", work) for name, work in works.items()]
        leave_world()
        typer.echo(table(outcomes))
        draw(outcomes)


if __name__ == "__main__":
    typer.run(main)
