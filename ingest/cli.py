"""walrus-ingest: parse, one call, print."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import TypeAdapter
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ingest.append import Appended, append
from ingest.build import Built, BuiltShare, Means, build, build_share, quarantine_lines
from ingest.draft import write_draft
from ingest.finish import finish
from ingest.inspect import Inspection, inspect
from ingest.inspect_text import inspection_lines
from ingest.memory import byte_count
from ingest.outline import share_of
from ingest.plan import Plan, make_plan
from ingest.preview import Preview, preview, preview_lines
from ingest.recipe import Recipe, catalogue, find_recipe
from ingest.verify import source_faults
from ingest.words import built_line, counts, share_line
from shards.card import Card, Quarantined
from shards.codec import CodecName
from shards.console import QUARANTINE, application, one_line_errors, say, stderr
from shards.convert import convert as convert_dataset
from shards.errors import SettingsError, ShardError
from shards.index import Packaging
from shards.machine import usable_cores
from shards.read import Dataset
from shards.verify import faults

app = application("Benchmark files into uniform, verified shards.")

T = TypeVar("T")
CORES = usable_cores()
Name = Annotated[str, typer.Argument(metavar="DATASET", help="A name of the catalogue, or a recipe.toml.")]
Start = Annotated[Path, typer.Option("--from", metavar="PATH", help="A file or folder of the source.")]
Root = Annotated[Path, typer.Option("--to", metavar="ROOT", help="Where ROOT/DATASET is built.")]
Format = Annotated[str, typer.Option("--format", help="zarr or webdataset.")]
Codec = Annotated[str, typer.Option(help="lz4, zstd or raw.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="a.b=value", help="Override a key of the recipe.")]
KeepError = Annotated[
    float | None, typer.Option(metavar="0.01", help="Round values by at most this share of the one-step change.")
]
Scheduler = Annotated[
    str | None, typer.Option(metavar="tcp://...", help="A dask cluster does the work, not --workers.")
]
Memory = Annotated[
    str | None, typer.Option(metavar="4GB", help="What all processes here may hold, or each worker of a cluster.")
]
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


@app.command(name="inspect")
def inspect_command(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="HDF5, NetCDF4, npz, or a zarr store.")],
    recipe: Annotated[
        Path | None, typer.Option(metavar="OUT.toml", help="Draft a recipe that describes the file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What a file holds and whose it looks like; drafts its recipe."""
    with one_line_errors("walrus-ingest inspect"):
        found = inspect(path)
        if recipe:
            write_draft(path, recipe)
            say(f"drafted {recipe}: settle what it marks, then walrus-ingest build {recipe} --from {path} --to ROOT")
        _print(_document(Inspection, found), "\n".join(inspection_lines(found)), as_json)


@app.command(name="plan")
def plan_command(
    dataset: Name,
    start: Start,
    root: Root,
    packaging: Format = "zarr",
    codec: Codec = "lz4",
    keep_error: KeepError = None,
    workers: Workers = CORES,
    memory: Memory = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """What a build would do and cost; nothing is written."""
    bound = _parsed(byte_count, memory, "--memory")
    with one_line_errors("walrus-ingest plan"):
        found = preview(
            _plan(dataset, start, packaging, codec, keep_error, assignments), root, Means(workers, memory=bound)
        )
        _print(_document(Preview, found), "\n".join(preview_lines(found, workers)), as_json)
        _end_with(found.left_out)


@app.command(name="build")
def build_command(
    dataset: Name,
    start: Start,
    root: Root,
    packaging: Format = "zarr",
    codec: Codec = "lz4",
    keep_error: KeepError = None,
    workers: Workers = CORES,
    part: Annotated[
        str | None, typer.Option(metavar="3/16", help="This share of the work only; then walrus-ingest finish.")
    ] = None,
    scheduler: Scheduler = None,
    memory: Memory = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Build a dataset; running again goes on, or does nothing."""
    share = _parsed(share_of, part, "--part")
    bound = _parsed(byte_count, memory, "--memory")
    with one_line_errors("walrus-ingest build"):
        plan = _plan(dataset, start, packaging, codec, keep_error, assignments)
        with _progress(plan.recipe.name) as bar:
            task = bar.add_task(plan.recipe.name, total=len(plan.parts))

            def progress(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            built = (
                build(plan, root, workers, progress, scheduler=scheduler, memory=bound)
                if share is None
                else build_share(plan, root, *share, progress, Means(workers, scheduler, bound))
            )
        if isinstance(built, Built):
            _tell_card(built.card)
            _print(_built_document(built), built_line(built), as_json)
            quarantine = built.card.quarantine
        else:
            _print(_document(BuiltShare, built), share_line(built, part or ""), as_json)
            quarantine = built.quarantine
        _end_with(quarantine)


@app.command(name="append")
def append_command(
    dataset: Name,
    start: Start,
    root: Root,
    workers: Workers = CORES,
    scheduler: Scheduler = None,
    memory: Memory = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Add files to a built dataset; what is there stays as it is."""
    bound = _parsed(byte_count, memory, "--memory")
    with one_line_errors("walrus-ingest append"):
        recipe = find_recipe(dataset, tuple(assignments or ()))
        with _progress(recipe.name) as bar:
            task = bar.add_task(recipe.name)

            def progress(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)

            done = append(recipe, start, root, progress, Means(workers, scheduler, bound))
        did = f"{done.trajectories} trajectories added" if done.trajectories else "nothing to add"
        _print(_document(Appended, done), f"{done.folder}: {did}; {counts(done.card)}", as_json)
        _end_with(done.left_out)


@app.command(name="finish")
def finish_command(folder: Folder, as_json: Json = False) -> None:
    """Merge what several build --part runs wrote; needs no source file."""
    with one_line_errors("walrus-ingest finish"):
        card, written = finish(folder)
        _tell_card(card)
        document = {"folder": str(folder), "written_bytes": written, "card": _document(Card, card)}
        _print(document, f"{folder}: {counts(card)}; {'merged' if written else 'nothing to do'}", as_json)
        _end_with(card.quarantine)


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
            equal = "within the declared error equal" if dataset.card.errors else "bit for bit equal"
            proof = f"{equal} to {against_source}" if against_source else "whole"
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
        _print({"folder": str(copy)}, str(copy), as_json)


@app.command(name="report")
def report_command(folder: Folder, as_json: Json = False) -> None:
    """Write report.html into a built dataset: what it is, and what it looks like."""
    # The only command that draws: the others start without matplotlib.
    from ingest.report import report

    with one_line_errors("walrus-ingest report"):
        path = report(Dataset(folder))
        _print({"report": str(path)}, str(path), as_json)


def _plan(
    dataset: str, start: Path, packaging: str, codec: str, keep_error: float | None, assignments: list[str] | None
) -> Plan:
    recipe = find_recipe(dataset, tuple(assignments or ()))
    kind, name = _choice(Packaging, packaging, "--format"), _choice(CodecName, codec, "--codec")
    return make_plan(recipe, start, kind, name, keep_error=keep_error)


def _choice(kind: Any, value: str, option: str) -> Any:
    allowed = kind.__args__
    if value not in allowed:
        raise typer.BadParameter(f"{value} is not one of {', '.join(allowed)}", param_hint=option)
    return value


def _parsed(parse: Callable[[str], T], value: str | None, option: str) -> T | None:
    """What an option says, where it is given; what cannot be read is wrong usage."""
    try:
        return None if value is None else parse(value)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _progress(name: str) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal)


def _tell_card(card: Card) -> None:
    for line in card.differences:
        say(f"differs: {line}")


def _end_with(quarantine: tuple[Quarantined, ...]) -> None:
    """Names what was left out, and exits with the code that says so."""
    for line in quarantine_lines(quarantine):
        say(f"left out: {line}")
    if quarantine:
        raise typer.Exit(QUARANTINE)


def _built_document(built: Built) -> dict[str, Any]:
    return {
        "folder": str(built.folder),
        "written_parts": built.written_parts,
        "reused_parts": built.reused_parts,
        "written_bytes": built.written_bytes,
        "card": _document(Card, built.card),
    }


def _document(kind: type[T], value: T) -> Any:
    return TypeAdapter(kind).dump_python(value, mode="json")


def _print(document: dict[str, Any], line: str, as_json: bool) -> None:
    if as_json:
        _print_json(document)
    else:
        typer.echo(line)


def _print_json(document: Any) -> None:
    typer.echo(json.dumps(document, indent=1))


def main() -> None:
    app()
