"""walrus-evaluate: parses the command line, calls the work, prints the result.

What computes is imported by the command, not by this module: a help text must not load torch.
"""

from __future__ import annotations

import shards.program.starting  # noqa: F401

# isort: split

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.options import BuiltRoot, Change, TrendShare
from shards.program.console import (
    Json,
    Version,
    application,
    local,
    one_line_errors,
    print_json,
    print_result,
    print_text,
)
from shards.schema import Split

app = application("Evaluate a trained model on a dataset: scores, pictures, report.html.")


Run = Annotated[
    Path | None,
    typer.Argument(metavar="RUN", callback=local, help="The folder of a run, or of its model files."),
]
BuiltDataset = Annotated[
    str | None, typer.Argument(metavar="ROOT/DATASET", help="A built dataset; or its name, with --root.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        file_okay=False,
        metavar="FOLDER",
        callback=local,
        help="Output folder of report, scores and pictures.",
    ),
]
Compared = Annotated[
    tuple[Path, Path] | None,
    typer.Option("--compare", metavar="RUN_A RUN_B", help="Write a page that compares two evaluated runs."),
]


@app.command()
def command(
    checkpoint: Run = None,
    dataset: BuiltDataset = None,
    root: BuiltRoot = None,
    out: Out = None,
    compared: Compared = None,
    start: Annotated[int, typer.Option(min=1, help="First predicted frame of a rollout.")] = 17,
    longest: Annotated[int, typer.Option(min=1, help="Largest number of steps of a rollout.")] = 60,
    split: Annotated[Split, typer.Option(help="Split to evaluate.")] = "test",
    jitter: Annotated[
        Literal["on", "off"] | None, typer.Option(help="Patch jitter; by default as in training.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of forecasts with different jitter.")] = 1,
    draws: Annotated[int, typer.Option(min=1, help="Draws of the jitter per step, which are averaged.")] = 1,
    change: Change = (0.25, 1.0),
    trend: TrendShare = 0.0,
    at_once: Annotated[
        int, typer.Option(min=1, help="Windows to forecast together; fewer need less memory.")
    ] = 8,
    as_json: Json = False,
    version: Version = False,
) -> None:
    """Evaluate a trained model on a dataset, or compare two evaluated runs."""
    with one_line_errors("walrus-evaluate"):
        if out is None:
            raise typer.BadParameter("the results need a folder: --out FOLDER")
        if compared is not None and checkpoint is not None:
            raise typer.BadParameter("--compare reads two evaluated runs; leave RUN and DATASET out")
        if compared is not None:
            _compare(compared, out, as_json=as_json)
            return
        if checkpoint is None or dataset is None:
            raise typer.BadParameter("expected RUN and ROOT/DATASET, or --compare RUN_A RUN_B")

        from ingest.dataset_place import dataset_place
        from pipelines.evaluation import evaluate_model
        from walrus.evaluation.forecast_protocol import EvaluationSettings
        from walrus.evaluation.score_tables import score_table, scores_document
        from walrus.rollout import ChangeBounds

        where, name = dataset_place(dataset, root)
        scores = evaluate_model(
            checkpoint,
            name,
            where,
            out,
            settings=EvaluationSettings(start, longest, seeds, at_once),
            split=split,
            jitters=None if jitter is None else jitter == "on",
            bounds=ChangeBounds(*change),
            draws=draws,
            trend_share=trend,
        )
        if as_json:
            print_json(scores_document(scores))
        else:
            print_text(score_table(scores, "model"))
            print_text(f"report and pictures: {out / 'report.html'}")


def _compare(runs: tuple[Path, Path], out: Path, *, as_json: bool) -> None:
    from pipelines.comparing import compare_runs

    done = compare_runs(runs, out)
    print_result(done.document, done.text, as_json=as_json)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
