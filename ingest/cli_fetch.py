"""walrus-ingest fetch: lists or fetches the published files of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ingest.cli_options import choice
from ingest.cli_output import transfer_bar
from shards.counted import counted
from shards.errors import SourceError
from shards.program.console import Json, local, one_line_errors, print_json, print_result, print_text, say
from shards.urls import without_secrets


def fetch_command(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A system of the catalogue.")] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", callback=local, help="Output folder; keeps the subfolders."),
    ] = None,
    listed: Annotated[
        bool, typer.Option("--list", help="List the files with their sizes; fetch nothing.")
    ] = False,
    url: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="URL", help="Fetch from this mirror: http(s)://... or hf://datasets/..."
        ),
    ] = None,
    files: Annotated[
        str | None, typer.Option(metavar="PATTERN", help="Fetch only files whose path or name fits.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Fetch only files of train, valid or test.")] = None,
    gigabytes: Annotated[
        float | None,
        typer.Option(min=0, metavar="5", help="Fetch at most this many GB, with files of each split."),
    ] = None,
    at_once: Annotated[int, typer.Option(min=1, max=32, help="Number of files to fetch together.")] = 4,
    as_json: Json = False,
) -> None:
    """Fetch the published files of a system; the same command continues."""
    from ingest.catalogue import find_recipe
    from shards.schema import Split

    wanted_split = None if split is None else choice(Split, split, "--split")
    if folder is None and not listed:
        raise typer.BadParameter("name the folder with --to, or ask for --list")
    if name is None and not listed:
        raise typer.BadParameter("name a system of the catalogue, or ask for --list")

    with one_line_errors("walrus-ingest fetch"):
        if name is None:
            _print_overview(as_json=as_json)
            return
        from ingest.fetching.choice import choose_files
        from ingest.fetching.listing import list_files, with_sizes
        from ingest.fetching.published import publication_of
        from ingest.inspecting.text_table import build_command

        recipe = find_recipe(name)
        publication = publication_of(recipe.name, url)
        if publication.note:
            say(f"note: {publication.note}")
        most = None if gigabytes is None else int(gigabytes * 10**9)
        # A size may need a request, so only the sizes of chosen files are requested.
        found = choose_files(list_files(publication), publication, files, wanted_split)
        found = choose_files(with_sizes(found), publication, most_bytes=most)
        if listed:
            licence = publication.licence or recipe.licence
            _print_files(found, licence, publication.url, as_json=as_json)
        elif folder is not None:
            _fetch(found, recipe.name, folder, at_once, as_json=as_json)
            say(f"next: {build_command(name, str(folder))}")


def _fetch(files: Sequence[Any], name: str, folder: Path, at_once: int, *, as_json: bool) -> None:
    """Fetches the files and prints the result; raises SourceError if some of them failed."""
    from ingest.fetching.fetch import fetch
    from shards.program.byte_size import size_in_words

    with transfer_bar(name) as report:
        done = fetch(files, folder, report, at_once)
    for failure in done.failures:
        say(failure)
    if done.failures:
        raise SourceError(
            f"{len(files) - done.files - done.found} of {counted(len(files), 'file')} not fetched; run the "
            "same command again"
        )
    rate = f" in {done.seconds:.0f} s ({size_in_words(done.bytes / max(done.seconds, 1e-3))}/s)"
    fetched = (
        f"{counted(done.files, 'file')} fetched, {size_in_words(done.bytes)}{rate if done.files else ''}"
    )
    text = f"{folder}: {fetched}; {counted(done.found, 'file')} there before"
    print_result(asdict(done) | {"folder": str(folder)}, text, as_json=as_json)


def _print_overview(*, as_json: bool) -> None:
    """Prints the address, size and licence of every system, without asking a server."""
    from ingest.catalogue import catalogue, find_recipe
    from ingest.fetching.published import publications

    known = publications()
    rows = []
    for name in catalogue():
        publication = known[name]
        licence = publication.licence or find_recipe(name).licence
        rows.append(
            {
                "name": name,
                "gigabytes": publication.gigabytes,
                "licence": licence,
                "url": publication.url,
                "note": publication.note,
            }
        )

    if as_json:
        print_json(rows)
        return

    width = max(len(name) for name in known)
    for row in rows:
        size = f"{row['gigabytes']:g} GB" if row["gigabytes"] is not None else "?"
        print_text(f"{row['name']:{width}}  {size:>8}  {row['url']}  ({row['licence']})")


def _print_files(files: Sequence[Any], licence: str, url: str, *, as_json: bool) -> None:
    """Prints each file with its size and split, then the sum."""
    from shards.program.byte_size import size_in_words

    total = sum(each.size or 0 for each in files)
    if as_json:
        rows = [{"path": each.path, "bytes": each.size, "split": each.split} for each in files]
        print_json({"url": without_secrets(url), "licence": licence, "bytes": total, "files": rows})
        return
    for each in files:
        size = size_in_words(each.size) if each.size is not None else "?"
        print_text(f"{size:>8}  {each.split or '-':5}  {each.path}")
    sum_of_files = f"{counted(len(files), 'file')}, {size_in_words(total)}"
    print_text(f"{sum_of_files}, licence {licence}, from {without_secrets(url)}")
