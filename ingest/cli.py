"""walrus-ingest: parse, one call, print."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ingest.build import Built, build, quarantine_lines
from ingest.plan import make_plan
from ingest.recipe import Recipe, catalogue, find_recipe
from ingest.verify import source_faults
from shards.card import Card
from shards.codec import CodecName
from shards.console import QUARANTINE, application, one_line_errors, say, stderr
from shards.convert import convert as convert_dataset
from shards.errors import ShardError
from shards.index import Packaging
from shards.read import Dataset
from shards.verify import faults

app = application("Benchmark files into uniform, verified shards.")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="a.b=value", help="Override a key of the recipe.")]
Folder = Annotated[Path, typer.Argument(metavar="ROOT/DATASET", help="A built dataset.")]


@app.command()
def ls(
    name: Annotated[str | None, typer.Argument(help="One system: all that is known of it.")] = None,
    as_json: Json = False,
) -> None:
    """The catalogue of systems, or one of them."""
    with one_line_errors("walrus-ingest ls"):
        names = [name] if name else list(catalogue())
        recipes = [find_recipe(each) for each in names]
        if as_json:
            _print_json(TypeAdapter(list[Recipe]).dump_python(recipes, mode="json"))
        elif name:
            typer.echo(catalogue().get(name, Path(name)).read_text(encoding="utf-8"), nl=False)
        else:
            width = max(len(each) for each in names)
            for recipe in recipes:
                typer.echo(f"{recipe.name:{width}}  {recipe.source:9} {recipe.title}")


@app.command(name="build")
def build_command(
    dataset: Annotated[str, typer.Argument(help="A name of the catalogue, or a recipe.toml.")],
    start: Annotated[Path, typer.Option("--from", metavar="PATH", help="A file or folder of the source.")],
    root: Annotated[Path, typer.Option("--to", metavar="ROOT", help="Where ROOT/DATASET is built.")],
    packaging: Annotated[str, typer.Option("--format", help="zarr or webdataset.")] = "zarr",
    codec: Annotated[str, typer.Option(help="lz4, zstd or raw; all lossless.")] = "lz4",
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = len(os.sched_getaffinity(0)),
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Build a dataset; running again goes on, or does nothing."""
    with one_line_errors("walrus-ingest build"):
        recipe = find_recipe(dataset, tuple(assignments or ()))
        plan = make_plan(recipe, start, _choice(Packaging, packaging, "--format"), _choice(CodecName, codec, "--codec"))
        with _progress(recipe.name) as bar:
            task = bar.add_task(recipe.name, total=len(plan.parts))
            built = build(plan, root, workers, lambda done, total: bar.update(task, completed=done, total=total))
        for line in built.card.differences:
            say(f"differs: {line}")
        for line in quarantine_lines(built.card.quarantine):
            say(f"left out: {line}")
        if as_json:
            _print_json(_built_document(built))
        else:
            typer.echo(_built_line(built))
        if built.card.quarantine:
            raise typer.Exit(QUARANTINE)


@app.command()
def verify(
    folder: Folder,
    against_source: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Compare bits with the source files.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every byte of a built dataset."""
    with one_line_errors("walrus-ingest verify"):
        dataset = Dataset(folder)
        found = list(faults(dataset))
        if against_source and not found:
            found = list(source_faults(dataset, against_source))
        if as_json:
            _print_json({"dataset": dataset.card.name, "faults": found})
        else:
            for fault in found:
                say(fault)
        if found:
            raise ShardError(f"{folder}: {len(found)} fault" + ("s" if len(found) > 1 else ""))
        if not as_json:
            count = len(dataset.index.trajectories)
            proof = f"bit for bit equal to {against_source}" if against_source else "whole"
            typer.echo(f"{folder}: {count} trajectories in {len(dataset.index.files)} files, {proof}")


@app.command()
def convert(
    folder: Folder,
    packaging: Annotated[str, typer.Option("--format", help="zarr or webdataset.")],
    root: Annotated[Path, typer.Option("--to", metavar="ROOT2", help="Where the copy goes.")],
    as_json: Json = False,
) -> None:
    """Copy a dataset into the other packaging; encoded bytes stay as they are."""
    with one_line_errors("walrus-ingest convert"):
        copy = convert_dataset(Dataset(folder), _choice(Packaging, packaging, "--format"), root)
        if as_json:
            _print_json({"folder": str(copy)})
        else:
            typer.echo(str(copy))


def _choice(kind: Any, value: str, option: str) -> Any:
    allowed = kind.__args__
    if value not in allowed:
        raise typer.BadParameter(f"{value} is not one of {', '.join(allowed)}", param_hint=option)
    return value


def _progress(name: str) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)


def _built_document(built: Built) -> dict[str, Any]:
    return {
        "folder": str(built.folder),
        "written_parts": built.written_parts,
        "reused_parts": built.reused_parts,
        "written_bytes": built.written_bytes,
        "card": TypeAdapter(Card).dump_python(built.card, mode="json"),
    }


def _built_line(built: Built) -> str:
    counts = ", ".join(f"{count.trajectories} {split}" for split, count in built.card.counts.items())
    did = "nothing to do" if built.written_parts == 0 else f"{built.written_bytes / 2**20:.1f} MiB written"
    out = f", {len(built.card.quarantine)} left out" if built.card.quarantine else ""
    return f"{built.folder}: {counts} trajectories{out}; {did}"


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, indent=1))


def main() -> None:
    app()
