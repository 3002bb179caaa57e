"""walrus-evaluate: a trained model on the test trajectories of a dataset, in numbers and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.recipe import EvaluationSettings
from shards.document import to_text, write_atomically
from shards.program.console import Json, application, one_line_errors, print_json, say
from shards.read import Dataset
from shards.remote import open_dataset
from shards.spec import Split
from walrus.checkpoint import Description, load_model
from walrus.evaluation.drawings import draw
from walrus.evaluation.judge import judge
from walrus.evaluation.plot import Curve
from walrus.evaluation.report import Result, Run, count, write_report
from walrus.evaluation.tables import document, table, to_csv, to_latex
from walrus.rollout import Model

app = application("A trained model on the test trajectories of a dataset: scores, pictures, report.html.")


def evaluate(
    model: Model,
    description: Description,
    datasets: Sequence[Dataset],
    settings: EvaluationSettings,
    split: Split = "test",
) -> list[Result]:
    """One result a dataset; raises MismatchError where the model does not know a channel."""
    results = []
    for dataset in datasets:
        history = description.history(len(dataset.card.schema.grid.axes))
        judgement = judge(model, dataset, settings.protocol(history, split))
        results.append(Result(judgement, draw(judgement)))
        say(f"evaluated {dataset.card.name}: {len(judgement.tracks)} {split} trajectories")
    return results


def save(folder: Path, run: Run, results: Sequence[Result], curves: Sequence[Curve] = ()) -> None:
    """Writes the pictures of each task, report.html, scores.csv, horizons.csv, scores.tex, and at last scores.json."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for result in results:
        for drawing in result.drawings.every:
            kind = "gif" if drawing.is_film else "png"
            write_atomically(pictures / f"{result.task}{drawing.suffix}.{kind}", drawing.data)
    judgements = [result.judgement for result in results]
    texts = {
        "scores.csv": to_csv([(each.task, each.scores) for each in judgements]),
        "horizons.csv": to_csv([(each.task, each.horizons) for each in judgements]),
        "scores.tex": to_latex(judgements),
    }
    for name, text in texts.items():
        write_atomically(folder / name, text.encode())
    write_report(folder / "report.html", run, results, curves)
    write_atomically(folder / "scores.json", to_text(document(judgements)).encode())


@app.command()
def command(
    checkpoint: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or of its model files.")],
    dataset: Annotated[str, typer.Argument(help="A dataset built below ROOT.")],
    root: Annotated[str, typer.Option(help="Where the shards lie: a folder or a URL.")],
    out: Annotated[Path, typer.Option(file_okay=False, metavar="FOLDER", help="Where report, scores and pictures go.")],
    start: Annotated[int, typer.Option(min=1, help="First predicted frame of a rollout.")] = 17,
    longest: Annotated[int, typer.Option(min=1, help="Most steps of a rollout.")] = 60,
    split: Annotated[Split, typer.Option(help="Whose trajectories.")] = "test",
    jitter: Annotated[
        Literal["on", "off"] | None, typer.Option(help="Patch jitter; by default as the model was trained.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Draws of the jitter to average over.")] = 1,
    at_once: Annotated[int, typer.Option(min=1, help="Most windows to forecast together; fewer need less memory.")] = 8,
    as_json: Json = False,
) -> None:
    """Evaluate a trained model on a dataset."""
    with one_line_errors("walrus-evaluate"):
        description, model = load_model(checkpoint)
        if jitter is not None:
            model = replace(model, jitters=jitter == "on")
        settings = EvaluationSettings(start, longest, seeds, at_once)
        results = evaluate(model, description, [open_dataset(root, dataset)], settings, split)
        facts = (("model", str(checkpoint)), *describe(description, model))
        save(out, Run(f"{checkpoint.name} on {dataset}", facts), results)
        found = document([result.judgement for result in results])
        if as_json:
            print_json(found)
        else:
            typer.echo(table(found, "model"))
            typer.echo(f"report and pictures: {out / 'report.html'}")


def describe(description: Description, model: Model) -> tuple[tuple[str, str], ...]:
    """Facts of a model for a report."""
    parameters = sum(parameter.numel() for parameter in model.network.parameters())
    origin = (("published file", description.origin),) if description.origin else ()
    return (
        *origin,
        ("parameters", count(parameters)),
        ("steps", str(description.step)),
        ("trained on", ", ".join(description.datasets)),
        ("patch jitter", "on" if model.jitters else "off"),
    )


def main() -> None:
    app()
