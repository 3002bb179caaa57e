"""walrus-pretrain, and so `make pretrain`: parses the command line, calls the work, prints the result.

What computes is imported by the command, not by this module: a help text must not load torch.
"""

from __future__ import annotations

import shards.program.starting  # noqa: F401

# isort: split

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.options import Allow, Doctor, KeepState, Ranks, Trace
from shards.program.console import (
    Assignments,
    Json,
    Version,
    application,
    local,
    one_line_errors,
    print_result,
)

if TYPE_CHECKING:
    from pipelines.recipe import RunRecipe

Demo = Annotated[
    bool, typer.Option("--demo", help="Train on data that this command computes, in the folder demo.")
]

app = application("Train a Walrus on shards, as a recipe says.")


@app.command()
def command(
    recipe: Annotated[str, typer.Argument(help="Name of a run recipe (tiny) or a .toml file.")],
    root: Annotated[str | None, typer.Option(help="Folder (or read-only URL) of the datasets.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, metavar="RUN", callback=local, help="Output folder; an interrupted run resumes."
        ),
    ] = None,
    demo: Demo = False,
    ranks: Ranks = 1,
    groups: Annotated[
        int | None,
        typer.Option(min=1, help="Groups of ranks; each group has its own micro-batches."),
    ] = None,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Print what the run would read and its cost; do not train.")
    ] = False,
    simulated: Annotated[
        bool, typer.Option("--simulate", help="Predict how long ranks would wait; do not train.")
    ] = False,
    assignments: Assignments = None,
    allow: Allow = None,
    keep_state: KeepState = False,
    trace: Trace = None,
    as_json: Json = False,
    doctor: Doctor = False,
    version: Version = False,
) -> None:
    """Build the datasets of the recipe, train, evaluate and report."""
    with one_line_errors("walrus-pretrain"):
        from pipelines.recipe import find_run_recipe

        chosen = find_run_recipe(recipe, tuple(assignments or ()))
        if demo:
            from pipelines.demonstration import on_demonstration

            chosen, root, out = on_demonstration(chosen), root or "demo/data", out or Path("demo/run")
        if root is None:
            raise typer.BadParameter("name the folder of the datasets: --root ROOT, or try --demo")
        if simulated:
            _print_simulation(chosen, root, as_json=as_json)
        elif dry:
            _print_dry_run(chosen, root, ranks, groups, as_json=as_json)
        elif out is None:
            raise typer.BadParameter("a run needs its folder: --out RUN")
        else:
            from pipelines.pretraining import pretrain
            from pipelines.train_and_evaluate import print_scores

            scores = pretrain(
                chosen,
                root,
                out,
                ranks=ranks,
                groups=groups,
                allow=tuple(allow or ()),
                trace=trace,
                keep_state=keep_state,
            )
            print_scores(scores, out, as_json=as_json)


def _print_simulation(recipe: RunRecipe, root: str, *, as_json: bool) -> None:
    from pipelines.simulate import simulate, simulation_text

    predicted = simulate(recipe, root)
    print_result(predicted.document, simulation_text(predicted), as_json=as_json)


def _print_dry_run(recipe: RunRecipe, root: str, ranks: int, groups: int | None, *, as_json: bool) -> None:
    from pipelines.dry_run import dry_run, dry_run_text

    expected = dry_run(recipe, root, ranks, groups)
    print_result(expected.document, dry_run_text(expected), as_json=as_json)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
