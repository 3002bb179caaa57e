"""walrus-finetune: a trained model adapted to one dataset, and evaluated on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from pipelines.pretrain import run_and_evaluate, tell
from pipelines.recipe import DatasetChoice, RunRecipe, find_run_recipe
from pipelines.train_run import Job
from shards.console import application, one_line_errors
from shards.errors import SettingsError
from walrus.checkpoint import Description, load_model
from walrus.stream import Shards
from walrus.vocabulary import Vocabulary

app = application("Adapt a trained Walrus to one dataset.")


def finetune_recipe(
    recipe: RunRecipe, dataset: str, base: Path, description: Description, samples: int, dimensions: int
) -> RunRecipe:
    """The recipe for this dataset: history and eps of the base model, as many steps as `samples` windows ask for."""
    stream = replace(recipe.stream, history_2d=description.history_2d, history_3d=description.history_3d)
    a_step = stream.micro_batches * stream.windows(dimensions)
    steps_an_epoch = max(1, round(samples / (a_step * recipe.schedule.epochs)))
    return replace(
        recipe,
        title=f"Fine-tuning on {dataset}",
        datasets=(DatasetChoice(dataset),),
        base=str(base),
        stream=stream,
        schedule=replace(recipe.schedule, steps_an_epoch=steps_an_epoch),
        training=replace(recipe.training, jitter=description.jitters, eps=description.eps),
    )


def count_of(text: str) -> int:
    """A number of windows such as 2000, 500k or 1.5M; raises SettingsError for anything else."""
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    try:
        value = round(float(text if factor == 1 else text[:-1]) * factor)
    except ValueError:
        value = 0
    if value < 1:
        raise SettingsError(f"--samples {text}: expected a number of windows such as 2000, 500k or 1.5M")
    return value


@app.command()
def command(
    dataset: Annotated[str, typer.Argument(help="A dataset built below ROOT.")],
    root: Annotated[Path, typer.Option(help="Where the shards lie.")],
    base: Annotated[Path, typer.Option("--from", metavar="RUN", help="The folder of a trained model.")],
    out: Annotated[Path, typer.Option(metavar="RUN2", help="The folder of the new run; a stopped one goes on.")],
    samples: Annotated[str, typer.Option(help="How many windows to learn from.")] = "500k",
    recipe: Annotated[str, typer.Option(help="A name or a file .toml.")] = "finetune",
    ranks: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="a.b=value", help="Override a key of the recipe.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Fine-tune a trained model on a dataset and evaluate it there."""
    with one_line_errors("walrus-finetune"):
        description, _ = load_model(base)
        shards = Shards.open(root, [dataset])
        dimensions = len(shards.datasets[dataset].card.schema.grid.axes)
        template = find_run_recipe(recipe, tuple(assignments or ()))
        chosen = finetune_recipe(template, dataset, base, description, count_of(samples), dimensions)
        vocabulary = Vocabulary(description.vocabulary).extend(shards.channels)
        job = Job(chosen, description.model, vocabulary.names, root, out, ranks, base)
        tell(run_and_evaluate(job, shards), out, as_json)


def main() -> None:
    app()
