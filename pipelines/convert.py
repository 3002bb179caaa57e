"""walrus-convert: parses the command line, calls the work, prints the result.

What computes is imported by the command, not by this module: a help text must not load torch.
"""

from __future__ import annotations

import shards.program.starting  # noqa: F401

# isort: split

from pathlib import Path
from typing import Annotated

import typer

from shards.errors import ShardError
from shards.program.console import Json, Version, application, local, one_line_errors, print_result

app = application("Convert published weights to the folder of a model, or back.")


@app.command()
def command(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            callback=local, help="A published file (torch or .safetensors), or the folder of a model."
        ),
    ],
    to: Annotated[
        Path, typer.Option(file_okay=False, metavar="FOLDER", callback=local, help="Output folder.")
    ],
    channels: Annotated[
        list[str] | None,
        typer.Option("--channel", help="Name of an added channel; repeat the option for each, in order."),
    ] = None,
    normalised_by: Annotated[
        Path | None,
        typer.Option(
            metavar="ROOT/DATASET",
            callback=local,
            help="Built dataset whose RMS normalises the input of a fine-tuned checkpoint.",
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="a.b=value", help="Override a key of model.json.")
    ] = None,
    half: Annotated[
        bool,
        typer.Option("--half", help="Copy a model in half precision, with recipe and card, to share it."),
    ] = False,
    as_json: Json = False,
    version: Version = False,
) -> None:
    """Convert published weights to a model, or a model to published weights."""
    with one_line_errors("walrus-convert"):
        if not checkpoint.exists():
            raise ShardError(f"{checkpoint}: there is no such file or folder; name a checkpoint")

        from pipelines.conversion import convert, halve

        done = (
            halve(checkpoint, to)
            if half
            else convert(checkpoint, to, channels or (), assignments or (), normalised_by)
        )
        print_result(done.document, done.text, as_json=as_json)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
