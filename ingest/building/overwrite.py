"""Refuses builds that would delete data.

Merging removes files that it does not know, so all files in the folder are checked first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from os.path import realpath
from pathlib import Path
from typing import TypeVar

from ingest.building.part import unfit
from ingest.building.part_record import RECORDS, PartRecord
from ingest.building.plan import BuildPlan, Part
from ingest.remote.path import RemotePath
from shards.card import Card
from shards.errors import MismatchError, ShardError
from shards.files import LocalFiles
from shards.index import DatasetIndex, Entry, parse_index
from shards.json_text import parse, parse_with_checksum

T = TypeVar("T")


def require_nothing_lost(plan: BuildPlan, folder: Path, parts: Sequence[Part], slab_bytes: int) -> None:
    """Raises MismatchError if building these parts would delete an earlier build or files of the user."""
    if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
        raise ShardError(f"{folder}: cannot be read (Permission denied); ask its owner, or name another root")

    _require_ours(plan, folder)
    index = read_index(folder)
    card = read_card(folder)
    if index is not None and index.packaging != plan.packaging:
        raise MismatchError(
            f"{folder}: is built as {index.packaging}; use walrus-ingest convert, or another root"
        )

    if card is None:
        return

    built = _built(folder, index)
    lost = next(chain(_lost_files(plan, card), _lost_rows(plan, parts, card, built, slab_bytes)), None)
    if lost is not None:
        raise MismatchError(
            f"{folder}: was built from {lost}; its shards would be lost: restore the input, or remove the "
            "folder and build again"
        )


def read_card(folder: Path) -> Card | None:
    """The card of a build, None if there is none; raises ShardError if it is damaged."""
    return _document(folder / "card.json", partial(parse, Card))


def read_index(folder: Path) -> DatasetIndex | None:
    """The index of a build, None if there is none; raises ShardError if it is damaged."""
    return _document(folder / "index.json", parse_index)


def _document(path: Path, read: Callable[[bytes, str], T]) -> T | None:
    """Reads a document with `read`; None if it does not exist."""
    content = _content(path) if path.is_file() else None
    try:
        return None if content is None else read(content, str(path))
    except ShardError as error:
        raise ShardError(f"{error}; damaged: delete it and build again") from error


def _content(path: Path) -> bytes:
    """All bytes of a document; raises ShardError if permission is missing."""
    try:
        return path.read_bytes()
    except PermissionError as error:
        raise ShardError(
            f"{path}: cannot be read ({error.strerror}); ask its owner, or name another root"
        ) from error


def _require_ours(plan: BuildPlan, folder: Path) -> None:
    """Raises MismatchError if the folder holds an input, or files that no build wrote."""
    here = [file for file in plan.inputs if not isinstance(file.root, RemotePath)]
    inside = [file.path for file in here if Path(realpath(file.place)).is_relative_to(realpath(folder))]
    if inside:
        raise MismatchError(
            f"{folder}: the input {inside[0]} is in the folder to be built; name another root"
        )
    ours = any((folder / name).exists() for name in ("index.json", RECORDS))
    if folder.is_dir() and any(folder.iterdir()) and not ours:
        raise MismatchError(f"{folder}: is not empty and not a built dataset; name another root")


def _built(folder: Path, index: DatasetIndex | None) -> set[tuple[str, str]]:
    """Split and key of all built trajectories; from the records if a killed build has removed the index."""
    entries = index.trajectories if index else _recorded(folder)
    return {(entry.split, entry.key) for entry in entries}


def _recorded(folder: Path) -> Iterator[Entry]:
    for path in sorted((folder / RECORDS).glob("*.json")):
        try:
            text = LocalFiles(folder).read(f"{RECORDS}/{path.name}")
            yield from parse_with_checksum(PartRecord, text, str(path)).entries
        except ShardError:
            # Incomplete, or just removed by the job that builds this part: no trajectory of it is built.
            continue


def _lost_files(plan: BuildPlan, card: Card) -> Iterator[str]:
    """Inputs of the last build that do not exist now, or are refused now."""
    refused = {item.path: item.reason for item in plan.refused if item.row is None}
    present = {file.path for file in plan.inputs if file.path not in refused}
    for item in card.inputs:
        if item.path not in present:
            yield f"{item.path}, which {refused.get(item.path, 'does not exist now')}"


def _lost_rows(
    plan: BuildPlan, parts: Sequence[Part], card: Card, built: set[tuple[str, str]], slab_bytes: int
) -> Iterator[str]:
    """Trajectories that changed inputs would no longer give. Reads these inputs completely."""
    digests = {file.path: file.digest for file in plan.inputs}
    changed = {item.path for item in card.inputs if digests.get(item.path) != item.digest}
    planned = chain.from_iterable(part.trajectories for part in parts)
    again = [t for t in planned if t.origin.file in changed and (t.split, t.key) in built]
    bad_before = {(item.path, item.row) for item in card.quarantine}
    refused = [item for item in plan.refused if item.path in changed and item.row is not None]
    bad_rows = [item for item in refused if (item.path, item.row) not in bad_before]
    for bad in chain(bad_rows, unfit(plan, again, slab_bytes)):
        yield f"{bad.path}, which has changed: row {bad.row}: {bad.reason}"
