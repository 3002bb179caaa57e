"""walrus-pretrain, and so `make pretrain`: ingest, train, evaluate, report; what exists already is used again."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ingest.build import build, quarantine_lines
from ingest.plan import make_plan
from ingest.recipe import find_recipe
from pipelines.evaluate import describe, evaluate, save, table
from pipelines.recipe import DatasetChoice, RunRecipe, find_run_recipe
from pipelines.report import Run, duration
from pipelines.train_run import Job, is_finished, train
from shards.console import application, one_line_errors, say
from shards.errors import SourceError
from shards.machine import usable_cores
from walrus.checkpoint import load_model
from walrus.picture import Curve
from walrus.stream import Shards
from walrus.train import LOSSES, read_losses
from walrus.vocabulary import PUBLISHED

EVALUATION = "evaluation"

app = application("Train a Walrus on shards, as a recipe says.")


def ingest_all(choices: Sequence[DatasetChoice], root: Path, workers: int) -> None:
    """Builds every dataset whose source files are named; one that is built already costs a look."""
    for choice in choices:
        if not choice.path:
            continue
        if not Path(choice.path).exists():
            if (root / choice.name / "index.json").is_file():
                continue
            raise SourceError(
                f"{choice.path}: the source files of {choice.name} are not there (seen from {Path.cwd()})"
            )
        recipe = find_recipe(choice.name, choice.set)
        built = build(make_plan(recipe, Path(choice.path), "zarr", "lz4"), root, workers, lambda done, total: None)
        state = "ingested" if built.written_parts else "found"
        trajectories = sum(count.trajectories for count in built.card.counts.values())
        say(f"{state} {built.folder}: {trajectories} trajectories")
        for line in quarantine_lines(built.card.quarantine):
            say(f"left out: {line}")


def pretrain(recipe: RunRecipe, root: Path, run: Path, ranks: int) -> dict[str, Any]:
    """The whole road; the scores of the evaluation, as `pipelines.evaluate.document` has them."""
    ingest_all(recipe.datasets, root, usable_cores())
    shards = Shards.open(root, [choice.name for choice in recipe.datasets])
    vocabulary = PUBLISHED.extend(shards.channels)
    return run_and_evaluate(Job(recipe, recipe.model_settings, vocabulary.names, root, run, ranks), shards)


def run_and_evaluate(job: Job, shards: Shards) -> dict[str, Any]:
    """Trains unless that is done, evaluates unless that is done; the scores."""
    scores = job.run / EVALUATION / "scores.json"
    if is_finished(job):
        say(f"found {job.run}: trained for all {job.recipe.schedule.steps} steps")
    else:
        scores.unlink(missing_ok=True)
        train(job)
    if not scores.is_file():
        _evaluate(job, shards)
    loaded: dict[str, Any] = json.loads(scores.read_text(encoding="utf-8"))
    return loaded


def _evaluate(job: Job, shards: Shards) -> None:
    began = time.perf_counter()
    description, model = load_model(job.run)
    results = evaluate(model, description, list(shards.datasets.values()), job.recipe.evaluation)
    losses = read_losses(job.run / LOSSES)
    facts = (
        *describe(description, model),
        ("training time", duration(sum(line["seconds"] for line in losses))),
        ("evaluation time", duration(time.perf_counter() - began)),
    )
    save(job.run / EVALUATION, Run(job.recipe.title, facts), results, curves(losses))


def curves(losses: Sequence[dict[str, Any]]) -> list[Curve]:
    """The training curve of each task."""
    tasks = sorted({task for line in losses for task in line["losses"]})
    points = {
        task: [(line["step"], line["losses"][task]) for line in losses if task in line["losses"]] for task in tasks
    }
    return [Curve(task, [step for step, _ in seen], [loss for _, loss in seen]) for task, seen in points.items()]


@app.command()
def command(
    recipe: Annotated[str, typer.Argument(help="A name (tiny) or a file .toml.")],
    root: Annotated[Path, typer.Option(help="Where the shards lie, or are to lie.")],
    out: Annotated[Path, typer.Option(metavar="RUN", help="The folder of the run; a stopped one goes on.")],
    ranks: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="a.b=value", help="Override a key of the recipe.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Ingest what the recipe names, train, evaluate, report."""
    with one_line_errors("walrus-pretrain"):
        chosen = find_run_recipe(recipe, tuple(assignments or ()))
        scores = pretrain(chosen, root, out, ranks)
        tell(scores, out, as_json)


def tell(scores: dict[str, Any], run: Path, as_json: bool) -> None:
    """Prints the scores, and where the report and the pictures lie."""
    if as_json:
        typer.echo(json.dumps(scores, indent=1))
        return
    typer.echo(table(scores, "model"))
    typer.echo(f"\nVRMSE: 0 is right, 1 is as good as the mean of the field.\nmodel     {run}")
    typer.echo(f"report    {run / EVALUATION / 'report.html'}\npictures  {run / EVALUATION / 'pictures'}")


def main() -> None:
    app()
