"""walrus-ingest upload: copies a built dataset to an object store."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from ingest.cli_output import transfer_bar
from shards.counted import counted
from shards.errors import SettingsError
from shards.program.console import Json, local, one_line_errors, print_result, say


def upload_command(
    dataset: Annotated[
        Path, typer.Argument(metavar="ROOT/DATASET", callback=local, help="The folder of a built dataset.")
    ],
    root: Annotated[
        str, typer.Option("--to", metavar="URL", help="s3://bucket/shards and the like; writes URL/DATASET.")
    ],
    as_json: Json = False,
) -> None:
    """Copy a dataset to an object store; the same command continues."""
    with one_line_errors("walrus-ingest upload"):
        from shards.program.byte_size import size_in_words
        from shards.read import Dataset
        from shards.upload import upload

        _require_writable(root)
        opened = Dataset(dataset)
        with transfer_bar(opened.card.name) as report:
            done = upload(opened, root, report)
        sent = (
            f"{counted(done.files, 'file')} sent, {size_in_words(done.bytes)}"
            if done.files
            else "nothing to send"
        )
        there = f"{counted(done.found, 'file')} there before"
        print_result(asdict(done), f"{done.url}: {sent}; {there}", as_json=as_json)
        say(f"next: {shlex.join(['walrus-ingest', 'verify', done.url])}")


def _require_writable(root: str) -> None:
    """Raises SettingsError for a folder, and for a web server, to which nothing can be written."""
    from shards.remote import is_remote

    if not is_remote(root) or urlsplit(root).scheme == "file":
        raise SettingsError(f"{root}: is a folder; copy the dataset there with cp -r")
    if urlsplit(root).scheme in ("http", "https"):
        raise SettingsError(
            f"{root}: a web server takes no files; name an object store, such as s3://bucket/shards"
        )
