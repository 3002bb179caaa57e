"""walrus-ingest: parses the command line, calls the work, prints the result.

What works is imported by each command, not by this module: a help text must come at once.
"""

from __future__ import annotations

import shards.program.starting  # noqa: F401

# isort: split

from pathlib import Path
from typing import Annotated

import typer

from ingest.cli_fetch import fetch_command
from ingest.cli_ls import ls_command
from ingest.cli_options import (
    CORES,
    BuiltName,
    BuiltRoot,
    Codec,
    Folder,
    Format,
    KeepError,
    Memory,
    Name,
    Root,
    Scheduler,
    Start,
    Wait,
    Workers,
    choice,
    parsed,
    source_or_url,
)
from ingest.cli_output import (
    built_document,
    built_line,
    counts,
    document_of,
    end_with,
    print_caveats,
    print_differences,
    progress_bar,
    share_line,
)
from ingest.cli_plan import plan_command, planned
from ingest.cli_upload import upload_command
from shards.counted import counted
from shards.errors import ShardError
from shards.program.console import (
    Assignments,
    Json,
    Version,
    application,
    local,
    one_line_errors,
    print_json,
    print_result,
    print_text,
    say,
)

app = application("Convert simulation files to verified shards.")


@app.callback()
def options(version: Version = False) -> None:
    """Options of walrus-ingest itself."""


app.command(name="ls")(ls_command)
app.command(name="fetch")(fetch_command)
app.command(name="plan")(plan_command)
app.command(name="upload")(upload_command)


@app.command(name="schema")
def schema_command() -> None:
    """Print the JSON Schema of a recipe, for editors."""
    with one_line_errors("walrus-ingest schema"):
        from ingest.drafting.recipe_reference import recipe_schema

        print_json(recipe_schema())


@app.command(name="inspect")
def inspect_command(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|FOLDER",
            parser=source_or_url,
            help="HDF5, NetCDF, npz, npy, zarr, also behind a URL; or a folder of them.",
        ),
    ],
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="OUT.toml", callback=local, help="Draft a recipe that describes the file."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List what a file or folder holds; draft a recipe for it."""
    with one_line_errors("walrus-ingest inspect"):
        from ingest.drafting.draft import write_draft
        from ingest.inspecting.inspect import Inspection, inspect
        from ingest.inspecting.text import inspection_lines

        found = inspect(path)
        if recipe:
            write_draft(path, recipe)
            say(f"drafted {recipe}")
        lines = inspection_lines(found, recipe)
        print_result(document_of(Inspection, found), "\n".join(lines), as_json=as_json)


@app.command(name="build")
def build_command(
    dataset: Name,
    start: Start,
    root: Root = None,
    packaging: Format = "zarr",
    codec: Codec = "lz4",
    keep_error: KeepError = None,
    workers: Workers = CORES,
    part: Annotated[
        str | None,
        typer.Option(metavar="3/16", help="Build this share only; then run walrus-ingest finish."),
    ] = None,
    scheduler: Scheduler = None,
    wait: Wait = 600.0,
    memory: Memory = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Build a dataset; the same command continues a build."""
    from ingest.building.build import BuildResult, ShareResult, build, build_share
    from ingest.building.memory import Resources
    from ingest.building.shares import share_of

    share = parsed(share_of, part, "--part")
    with one_line_errors("walrus-ingest build"):
        resources = Resources(workers, scheduler, memory, wait)
        plan, place = planned(dataset, root, start, packaging, codec, keep_error, assignments, resources)
        print_caveats(plan.caveats)
        with progress_bar(plan.recipe.name) as progress:
            built = (
                build(plan, place, resources, progress)
                if share is None
                else build_share(plan, place, share, resources, progress)
            )
        if isinstance(built, BuildResult):
            print_caveats(tuple(each for each in built.card.caveats if each not in plan.caveats))
            print_differences(built.card)
            print_result(built_document(built), built_line(built), as_json=as_json)
            quarantine = built.card.quarantine
        else:
            print_result(document_of(ShareResult, built), share_line(built, part or ""), as_json=as_json)
            quarantine = built.quarantine
        end_with(quarantine)


@app.command(name="append")
def append_command(
    dataset: Name,
    start: Start,
    root: Root = None,
    workers: Workers = CORES,
    scheduler: Scheduler = None,
    wait: Wait = 600.0,
    memory: Memory = None,
    assignments: Assignments = None,
    as_json: Json = False,
) -> None:
    """Add files to a built dataset; its shards stay as they are."""
    from ingest.building.append import AppendResult, append
    from ingest.building.memory import Resources
    from ingest.dataset_place import recipe_and_root

    with one_line_errors("walrus-ingest append"):
        recipe, place = recipe_and_root(dataset, root, tuple(assignments or ()))
        with progress_bar(recipe.name) as progress:
            done = append(recipe, start, place, Resources(workers, scheduler, memory, wait), progress)
        did = f"{counted(done.trajectories, 'trajectory')} added" if done.trajectories else "nothing to add"
        print_result(
            document_of(AppendResult, done), f"{done.folder}: {did}; {counts(done.card)}", as_json=as_json
        )
        print_caveats(done.caveats)
        end_with(done.left_out)


@app.command(name="finish")
def finish_command(dataset: Folder, root: Root = None, as_json: Json = False) -> None:
    """Finish a dataset whose shares were built by `build --part`."""
    with one_line_errors("walrus-ingest finish"):
        from ingest.building.finish import finish
        from ingest.dataset_place import built_place
        from shards.card import Card

        folder = Path(built_place(dataset, root))
        card, written = finish(folder)
        print_differences(card)
        document = {"folder": str(folder), "written_bytes": written, "card": document_of(Card, card)}
        print_result(
            document, f"{folder}: {counts(card)}; {'merged' if written else 'nothing to do'}", as_json=as_json
        )
        end_with(card.quarantine)


@app.command()
def verify(
    dataset: BuiltName,
    root: BuiltRoot = None,
    against_source: Annotated[
        Path | None,
        typer.Option(metavar="PATH", parser=source_or_url, help="Compare every bit with the source files."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every byte of a built dataset."""
    from tempfile import TemporaryDirectory

    from ingest.building.verify import source_faults
    from ingest.dataset_place import built_place
    from shards.cache import Cache
    from shards.remote import open_place
    from shards.verify import faults

    # Files behind a URL are fetched again: a copy in the cache proves nothing about the server.
    with one_line_errors("walrus-ingest verify"), TemporaryDirectory() as copies:
        opened = open_place(built_place(dataset, root), Cache(Path(copies)))
        where = opened.files.where()
        found = list(faults(opened))
        if against_source and not found:
            found = list(source_faults(opened, against_source))
        if as_json:
            print_json({"dataset": opened.card.name, "faults": found})
        else:
            for fault in found:
                say(fault)
        if found:
            raise ShardError(f"{where}: {counted(len(found), 'fault')}")
        if not as_json:
            trajectories = counted(len(opened.index.trajectories), "trajectory")
            files = counted(len(opened.index.files), "file")
            equal = "equal within the error on the card" if opened.card.errors else "bit for bit equal"
            proof = f"{equal} to {against_source}" if against_source else "complete"
            print_text(f"{where}: {trajectories} in {files}, {proof}")


@app.command()
def convert(
    dataset: Annotated[
        str, typer.Argument(metavar="ROOT/DATASET", help="A built dataset: a folder or a URL.")
    ],
    packaging: Annotated[str, typer.Option("--format", help="zarr or webdataset.")],
    root: Annotated[
        Path, typer.Option("--to", metavar="ROOT2", callback=local, help="Folder of the copy: ROOT2/DATASET.")
    ],
    as_json: Json = False,
) -> None:
    """Copy a dataset into the other packaging."""
    with one_line_errors("walrus-ingest convert"):
        from ingest.dataset_place import built_place
        from shards.convert import convert as convert_dataset
        from shards.index import Packaging
        from shards.remote import open_place

        opened = open_place(built_place(dataset, None))
        copy = convert_dataset(opened, choice(Packaging, packaging, "--format"), root)
        print_result({"folder": str(copy)}, str(copy), as_json=as_json)


@app.command()
def doctor(
    root: Annotated[
        Path | None,
        typer.Option("--to", metavar="ROOT", callback=local, help="Folder in which datasets will be built."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print versions and limits that could stop a build."""
    with one_line_errors("walrus-ingest doctor"):
        from shards.program.checkup import folder_finding, machine_findings, print_checkup, version_findings

        findings = [*version_findings(), *machine_findings()]
        if root is not None:
            findings.append(folder_finding("root", root))
        print_checkup(findings, as_json=as_json)


@app.command(name="report")
def report_command(
    dataset: BuiltName,
    root: BuiltRoot = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", callback=local, help="By default report.html in the dataset."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write report.html: pictures, statistics, what was left out."""
    with one_line_errors("walrus-ingest report"):
        from ingest.dataset_place import built_place
        from ingest.reporting.report import report
        from shards.remote import open_place

        path = report(open_place(built_place(dataset, root)), out)
        print_result({"report": str(path)}, str(path), as_json=as_json)


def main() -> None:
    app()


if __name__ == "__main__":
    main()
