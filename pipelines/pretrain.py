"""walrus-pretrain, and so `make pretrain`: ingest, train, evaluate, report; what exists already is used again."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ingest.building.build import build, quarantine_lines
from ingest.building.plan import make_plan
from ingest.recipe import find_recipe
from pipelines.dry_run import dry_run, tell_dry_run
from pipelines.evaluate import describe, evaluate, save
from pipelines.options import Allow, Ranks, Trace
from pipelines.recipe import DatasetChoice, RunRecipe, find_run_recipe
from pipelines.scaling import simulate, tell_simulation
from pipelines.train_run import Job, is_finished, is_recipe_kept, keep_recipe, train
from shards.errors import SourceError
from shards.program.console import Assignments, Json, application, one_line_errors, print_json, print_result, say
from shards.program.machine import usable_cores
from shards.remote import Root, is_remote
from walrus.checkpoint import load_description, load_model
from walrus.evaluation.plot import Curve
from walrus.evaluation.report import Run, duration
from walrus.evaluation.tables import table
from walrus.reading.stream import Shards
from walrus.training.log import LOSSES, read_lines
from walrus.training.stop import stopping
from walrus.training.world import Launched
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
        recipe = find_recipe(choice.recipe or choice.name, choice.set)
        built = build(make_plan(recipe, Path(choice.path), "zarr", "lz4"), root, workers, lambda done, total: None)
        state = "ingested" if built.written_parts else "found"
        trajectories = sum(count.trajectories for count in built.card.counts.values())
        say(f"{state} {built.folder}: {trajectories} trajectories")
        for line in quarantine_lines(built.card.quarantine):
            say(f"left out: {line}")


def pretrain(
    recipe: RunRecipe,
    root: Root,
    run: Path,
    ranks: int,
    groups: int | None = None,
    allow: Sequence[str] = (),
    trace: Path | None = None,
) -> dict[str, Any]:
    """The whole road; the scores of the evaluation, as `walrus.evaluation.tables.document` has them.

    In a world that a launcher has made the datasets must be built already, and only the first rank evaluates; those
    behind a URL must be, too.
    """
    if Launched.find() is None and not is_remote(root):
        ingest_all(recipe.datasets, Path(root), usable_cores())
    shards = Shards.open(root, [choice.name for choice in recipe.datasets], recipe.reading)
    vocabulary = PUBLISHED.extend(shards.channels)
    job = Job(
        recipe,
        recipe.model_settings,
        vocabulary.names,
        root,
        run,
        ranks,
        groups=groups,
        allow=tuple(allow),
        trace=trace,
    )
    return run_and_evaluate(job, shards)


def run_and_evaluate(job: Job, shards: Shards) -> dict[str, Any]:
    """Trains unless that is done, evaluates unless that is done; the scores, none on a launcher's further ranks."""
    launched = Launched.find()
    first = launched is None or launched.rank == 0
    scores = job.run / EVALUATION / "scores.json"
    finished = is_finished(job)
    if first and not (finished and is_recipe_kept(job)):
        scores.unlink(missing_ok=True)
    if not finished:
        train(job)
    elif first:
        keep_recipe(job)
        say(f"found {job.run}: trained, with the weights of step {load_description(job.run).step}")
    if not first:
        return {}
    if not scores.is_file():
        with stopping():
            _evaluate(job, shards)
    loaded: dict[str, Any] = json.loads(scores.read_text(encoding="utf-8"))
    return loaded


def _evaluate(job: Job, shards: Shards) -> None:
    began = time.perf_counter()
    description, model = load_model(job.run)
    results = evaluate(model, description, list(shards.datasets.values()), job.recipe.evaluation)
    losses = read_lines(job.run / LOSSES)
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
    root: Annotated[str, typer.Option(help="Where the shards lie, or are to lie: a folder, or a URL to read from.")],
    out: Annotated[
        Path | None, typer.Option(file_okay=False, metavar="RUN", help="The folder of the run; a stopped one goes on.")
    ] = None,
    ranks: Ranks = 1,
    groups: Annotated[
        int | None,
        typer.Option(min=1, help="Groups of ranks, each with micro-batches of its own."),
    ] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would be read, and what it costs.")] = False,
    simulated: Annotated[bool, typer.Option("--simulate", help="Only predict how ranks would wait.")] = False,
    assignments: Assignments = None,
    allow: Allow = None,
    trace: Trace = None,
    as_json: Json = False,
) -> None:
    """Ingest what the recipe names, train, evaluate, report; or only say what a run would do."""
    with one_line_errors("walrus-pretrain"):
        chosen = find_run_recipe(recipe, tuple(assignments or ()))
        if simulated:
            predicted = simulate(chosen, root)
            print_result(predicted, tell_simulation(predicted), as_json)
        elif dry:
            expected = dry_run(chosen, root, ranks, groups)
            print_result(expected, tell_dry_run(expected), as_json)
        elif out is None:
            raise typer.BadParameter("a run needs its folder: --out RUN")
        else:
            tell(pretrain(chosen, root, out, ranks, groups, allow or (), trace), out, as_json)


def tell(scores: dict[str, Any], run: Path, as_json: bool) -> None:
    """Prints the scores, and where the report and the pictures lie; nothing where there are none."""
    if not scores:
        return
    if as_json:
        print_json(scores)
        return
    typer.echo(table(scores, "model"))
    typer.echo(f"\nVRMSE: 0 is right, 1 is as good as the mean of the field.\nmodel     {run}")
    typer.echo(f"report    {run / EVALUATION / 'report.html'}\npictures  {run / EVALUATION / 'pictures'}")


def main() -> None:
    app()
