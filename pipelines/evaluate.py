"""walrus-evaluate: a trained model on the test trajectories of a dataset, in numbers and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter

from pipelines.recipe import EvaluationSettings
from pipelines.report import Result, Run, count, write_report
from shards.console import application, one_line_errors, say
from shards.document import to_text, write_atomically
from shards.read import Dataset
from walrus.checkpoint import Description, load_model
from walrus.forecast import Score
from walrus.judge import judge
from walrus.picture import Curve, animation, growth, panel
from walrus.rollout import Model

app = application("A trained model on the test trajectories of a dataset: scores, pictures, report.html.")


def evaluate(
    model: Model, description: Description, datasets: Sequence[Dataset], settings: EvaluationSettings
) -> list[Result]:
    """One result a dataset; raises MismatchError where the model does not know a channel."""
    results = []
    for dataset in datasets:
        dimensions = len(dataset.card.schema.grid.axes)
        history = description.history_3d if dimensions == 3 else description.history_2d
        judged = judge(model, dataset, history, settings.start, settings.longest)
        shown = judged.forecasts[0]
        results.append(Result(judged.scores, shown, shown.channels[0], judged.rollouts, judged.start))
        say(f"evaluated {dataset.card.name}: {judged.scores[0].trajectories} test trajectories")
    return results


def save(folder: Path, run: Run, results: Sequence[Result], curves: Sequence[Curve] = ()) -> None:
    """Writes scores.json, the pictures of each task, and report.html."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    for result in results:
        write_atomically(pictures / f"{result.task}.png", panel(result.forecast, result.channel))
        write_atomically(pictures / f"{result.task}-error.png", growth(result.task, result.rollouts))
        write_atomically(pictures / f"{result.task}.gif", animation(result.forecast, result.channel))
    write_report(folder / "report.html", run, results, curves)
    write_atomically(folder / "scores.json", to_text(document(results)).encode())


def document(results: Sequence[Result]) -> dict[str, Any]:
    """The scores as plain JSON."""
    return {result.task: TypeAdapter(tuple[Score, ...]).dump_python(result.scores, mode="json") for result in results}


def table(scores: dict[str, Any], name: str) -> str:
    """The scores of `document`, a line a task: VRMSE one step ahead and over the rollout, beside the baselines."""
    width = max(len("dataset"), *(len(task) for task in scores))
    head = f"{'':{width}}  {'one step':^30}  {'rollout':^36}".rstrip()
    columns = f"{name:>8} {'persist.':>10} {'linear':>10}"
    lines = [head, f"{'dataset':{width}}  {columns}   steps {columns}"]
    for task, forecasters in scores.items():
        one = "".join(f" {mean(score['one_step_C']):>10.4f}" for score in forecasters)[2:]
        window = [score["windows"][0] for score in forecasters]
        far = "".join(f" {score['value']:>10.4f}" for score in window)[2:]
        steps = f"{window[0]['first']}-{window[0]['last']}"
        lines.append(f"{task:{width}} {one}   {steps:>5}{far}")
    if len(scores) > 1:
        rows = [[mean(score["one_step_C"]) for score in forecasters] for forecasters in scores.values()]
        means = [mean(column) for column in zip(*rows, strict=True)]
        lines.append(f"{'mean':{width}} " + "".join(f" {value:>10.4f}" for value in means)[2:])
    return "\n".join(lines)


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


@app.command()
def command(
    checkpoint: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or of its model files.")],
    dataset: Annotated[str, typer.Argument(help="A dataset built below ROOT.")],
    root: Annotated[Path, typer.Option(help="Where the shards lie.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where report, scores and pictures go.")],
    start: Annotated[int, typer.Option(min=1, help="First predicted frame of a rollout.")] = 17,
    longest: Annotated[int, typer.Option(min=1, help="Most steps of a rollout.")] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Evaluate a trained model on a dataset."""
    with one_line_errors("walrus-evaluate"):
        description, model = load_model(checkpoint)
        settings = EvaluationSettings(start, longest)
        results = evaluate(model, description, [Dataset(root / dataset)], settings)
        facts = (("model", str(checkpoint)), *describe(description, model))
        save(out, Run(f"{checkpoint.name} on {dataset}", facts), results)
        if as_json:
            typer.echo(json.dumps(document(results), indent=1))
        else:
            typer.echo(table(document(results), "model"))
            typer.echo(f"report and pictures: {out / 'report.html'}")


def describe(description: Description, model: Model) -> tuple[tuple[str, str], ...]:
    """Facts of a model for a report."""
    parameters = sum(parameter.numel() for parameter in model.network.parameters())
    return (
        ("parameters", count(parameters)),
        ("steps", str(description.step)),
        ("trained on", ", ".join(description.datasets)),
        ("patch jitter", "on" if description.jitters else "off"),
    )


def main() -> None:
    app()
