"""Prints results, progress and what was left out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from shards.counted import counted
from shards.program.console import QUARANTINE, say, stderr

if TYPE_CHECKING:
    from ingest.building.build import BuildResult, ReportProgress, ShareResult
    from shards.card import Card, QuarantineEntry

T = TypeVar("T")


@contextmanager
def progress_bar(name: str) -> Iterator[ReportProgress]:
    """Shows a progress bar; yields a function of the number of done parts and of all parts."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def transfer_bar(name: str) -> Iterator[ReportProgress]:
    """Shows the same for fetched bytes, with their rate."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_caveats(caveats: tuple[str, ...]) -> None:
    """Prints notes on the input files."""
    for line in caveats:
        say(f"note: {line}")


def print_differences(card: Card) -> None:
    """Prints how the files differ from the published release."""
    for line in card.differences:
        say(f"differs: {line}")


def end_with(quarantine: tuple[QuarantineEntry, ...]) -> None:
    """Prints what was left out; exits with code 3 if anything was."""
    from ingest.building.build import quarantine_lines

    for line in quarantine_lines(quarantine):
        say(f"left out: {line}")
    if quarantine:
        raise typer.Exit(QUARANTINE)


def built_document(built: BuildResult) -> dict[str, Any]:
    """What a build did, and the card of the dataset."""
    from shards.card import Card

    return {
        "folder": str(built.folder),
        "written_parts": built.written_parts,
        "reused_parts": built.reused_parts,
        "written_bytes": built.written_bytes,
        "card": document_of(Card, built.card),
    }


def document_of(kind: type[T], value: T) -> Any:
    """A value of a checked class as a JSON document."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind).dump_python(value, mode="json")


def built_line(built: BuildResult) -> str:
    return f"{built.folder}: {counts(built.card)}; {_did(built.written_parts, built.written_bytes)}"


def share_line(built: ShareResult, part: str) -> str:
    parts = built.written_parts + built.reused_parts
    did = f"{counted(parts, 'part')}; {_did(built.written_parts, built.written_bytes)}"
    return f"{built.folder}: share {part}, {did}; when all shares are done: walrus-ingest finish"


def counts(card: Card) -> str:
    found = ", ".join(f"{count.trajectories} {split}" for split, count in card.counts.items())
    return f"{found} trajectories" + (f", {len(card.quarantine)} left out" if card.quarantine else "")


def _did(written_parts: int, written_bytes: int) -> str:
    from shards.program.byte_size import size_in_words

    if written_parts == 0:
        return "no shard written, only card and index" if written_bytes else "nothing to do"
    return f"{size_in_words(written_bytes)} written"
