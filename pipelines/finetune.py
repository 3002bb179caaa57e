"""walrus-finetune: parses the command line, calls the work, prints the result.

What computes is imported by the command, not by this module: a help text must not load torch.
"""

from __future__ import annotations

import shards.program.starting  # noqa: F401

# isort: split

from pathlib import Path
from typing import Annotated

import typer

from pipelines.options import Allow, BuiltRoot, KeepState, Ranks, Trace
from shards.errors import SettingsError
from shards.program.console import (
    Assignments,
    Json,
    Version,
    application,
    local,
    one_line_errors,
    print_text,
    say,
)

app = application("Adapt a trained Walrus to one dataset.")


def count_of(text: str) -> int:
    """A number of windows; raises SettingsError for anything else.

    >>> count_of("2000"), count_of("500k"), count_of("1.5M")
    (2000, 500000, 1500000)
    """
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    try:
        value = round(float(text if factor == 1 else text[:-1]) * factor)
    except (ValueError, OverflowError):
        value = 0
    if value < 1:
        raise SettingsError(f"--samples {text}: expected a number of windows such as 2000, 500k or 1.5M")
    return value


@app.command()
def command(
    dataset: Annotated[
        str, typer.Argument(metavar="ROOT/DATASET", help="A built dataset; or its name, with --root.")
    ],
    base: Annotated[
        Path,
        typer.Option(
            "--from", metavar="RUN", callback=local, help="The folder of a trained or converted model."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            file_okay=False, metavar="RUN2", callback=local, help="Output folder; an interrupted run resumes."
        ),
    ],
    root: BuiltRoot = None,
    samples: Annotated[
        str, typer.Option(help="Number of windows to train on, such as 2000 or 500k.")
    ] = "500k",
    recipe: Annotated[
        str,
        typer.Option(
            help="finetune-tiny, finetune, finetune-published, or a .toml file.",
            show_default="finetune-tiny for a base narrower than `small`, otherwise finetune",
        ),
    ] = "",
    ranks: Ranks = 1,
    assignments: Assignments = None,
    allow: Allow = None,
    keep_state: KeepState = False,
    trace: Trace = None,
    as_json: Json = False,
    version: Version = False,
) -> None:
    """Fine-tune a trained model on a dataset and evaluate it there."""
    with one_line_errors("walrus-finetune"):
        count = count_of(samples)

        from ingest.dataset_place import dataset_place
        from pipelines.finetuning import finetune, recipe_for
        from pipelines.model_card import CARD
        from pipelines.recipe import find_run_recipe
        from pipelines.train_and_evaluate import print_scores
        from walrus.checkpoint import load_description

        description = load_description(base)
        recipe = recipe or recipe_for(description)
        say(f"recipe {recipe}")
        template = find_run_recipe(recipe, tuple(assignments or ()))
        where, name = dataset_place(dataset, root)
        scores = finetune(
            name,
            where,
            base=base,
            description=description,
            out=out,
            samples=count,
            template=template,
            ranks=ranks,
            allow=tuple(allow or ()),
            trace=trace,
            keep_state=keep_state,
        )
        print_scores(scores, out, as_json=as_json)
        if scores and not as_json:
            print_text(f"card      {out / CARD}")


def main() -> None:
    app()


if __name__ == "__main__":
    main()
