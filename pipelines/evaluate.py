"""walrus-evaluate: a trained model on the test trajectories of a dataset, in numbers and pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.train_and_evaluate import describe, evaluate_all
from shards.program.console import Json, application, one_line_errors, print_json
from shards.remote import open_dataset
from shards.schema import Split
from walrus.checkpoint import load_model
from walrus.evaluation.forecasts import EvaluationSettings
from walrus.evaluation.report import RunFacts
from walrus.evaluation.score_tables import document, score_table
from walrus.evaluation.write import save

app = application("A trained model on the test trajectories of a dataset: scores, pictures, report.html.")


@app.command()
def command(
    checkpoint: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a run, or of its model files.")
    ],
    dataset: Annotated[str, typer.Argument(help="A dataset built below ROOT.")],
    root: Annotated[str, typer.Option(help="Where the shards lie: a folder or a URL.")],
    out: Annotated[
        Path, typer.Option(file_okay=False, metavar="FOLDER", help="Where report, scores and pictures go.")
    ],
    start: Annotated[int, typer.Option(min=1, help="First predicted frame of a rollout.")] = 17,
    longest: Annotated[int, typer.Option(min=1, help="Most steps of a rollout.")] = 60,
    split: Annotated[Split, typer.Option(help="Whose trajectories.")] = "test",
    jitter: Annotated[
        Literal["on", "off"] | None, typer.Option(help="Patch jitter; by default as the model was trained.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of the jitter to average over.")] = 1,
    at_once: Annotated[
        int, typer.Option(min=1, help="Most windows to forecast together; fewer need less memory.")
    ] = 8,
    as_json: Json = False,
) -> None:
    """Evaluate a trained model on a dataset."""
    with one_line_errors("walrus-evaluate"):
        description, model = load_model(checkpoint)
        if jitter is not None:
            model = replace(model, jitters=jitter == "on")
        settings = EvaluationSettings(start, longest, seeds, at_once)
        results = evaluate_all(model, description, [open_dataset(root, dataset)], settings, split)
        facts = (("model", str(checkpoint)), *describe(description, model))
        save(out, RunFacts(f"{checkpoint.name} on {dataset}", facts), results)
        found = document([result.judgement for result in results])
        if as_json:
            print_json(found)
        else:
            typer.echo(score_table(found, "model"))
            typer.echo(f"report and pictures: {out / 'report.html'}")


def main() -> None:
    app()
