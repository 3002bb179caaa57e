"""walrus-pretrain, and so `make pretrain`: ingest, train, evaluate, report; what exists already is used again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ingest.building.build import build, quarantine_lines
from ingest.building.plan import plan_build
from ingest.recipe import find_recipe
from pipelines.dry_run import dry_run, tell_dry_run
from pipelines.options import Allow, Ranks, Trace
from pipelines.recipe import DatasetChoice, RunRecipe, find_run_recipe
from pipelines.run import Job
from pipelines.simulate import simulate, tell_simulation
from pipelines.train_and_evaluate import run_and_evaluate, tell
from shards.errors import SourceError
from shards.program.console import Assignments, Json, application, one_line_errors, print_result, say
from shards.program.machine import usable_cores
from shards.remote import Root, is_remote
from walrus.reading.stream import Shards
from walrus.training.distributed import Launched
from walrus.vocabulary import PUBLISHED

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
        built = build(
            plan_build(recipe, Path(choice.path), "zarr", "lz4"), root, workers, lambda done, total: None
        )
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
    """The whole road; the scores of the evaluation, as `walrus.evaluation.score_tables.document` has them.

    In a world that a launcher has made the datasets must be built already, and only the first rank evaluates;
    those behind a URL must be, too.
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


@app.command()
def command(
    recipe: Annotated[str, typer.Argument(help="A name (tiny) or a file .toml.")],
    root: Annotated[
        str, typer.Option(help="Where the shards lie, or are to lie: a folder, or a URL to read from.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(file_okay=False, metavar="RUN", help="The folder of the run; a stopped one goes on."),
    ] = None,
    ranks: Ranks = 1,
    groups: Annotated[
        int | None,
        typer.Option(min=1, help="Groups of ranks, each with micro-batches of its own."),
    ] = None,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be read, and what it costs.")
    ] = False,
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


def main() -> None:
    app()
