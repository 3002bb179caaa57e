"""Finds input files with the same bytes: a file that was downloaded twice must not be in train and test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from ingest.building.inputs import InputFile
from shards.card import QuarantineEntry
from shards.schema import SPLITS, Split, Trajectory

BLOCK = 2**20


def copies(files: Sequence[InputFile]) -> dict[str, str]:
    """Maps each file that has the same bytes as an earlier file to that file."""
    same_digest: dict[tuple[int, str], list[InputFile]] = defaultdict(list)
    found: dict[str, str] = {}
    for file in files:
        if not file.digest or not file.bytes:
            continue
        earlier = same_digest[file.bytes, file.digest]
        first = next((other for other in earlier if _same_bytes(other, file)), None)
        if first is None:
            earlier.append(file)
        else:
            found[file.path] = first.path
    return found


def _same_bytes(a: InputFile, b: InputFile) -> bool:
    """Whether files with equal digests are equal. The digest of a large file covers only samples of it."""
    return a.wholly_in_digest or _equal(a.place, b.place)


def _equal(a: Path, b: Path) -> bool:
    """Whether two files, which may be behind a URL, hold the same bytes."""
    with a.open("rb") as one, b.open("rb") as other:
        while part := one.read(BLOCK):
            if part != other.read(BLOCK):
                return False
        return not other.read(1)


def copy_notes(copied: dict[str, str]) -> tuple[str, ...]:
    """One sentence for each copy.

    >>> copy_notes({"train/b.h5": "train/a.h5"})
    ('train/b.h5: holds the same bytes as train/a.h5',)
    """
    return tuple(f"{path}: holds the same bytes as {first}" for path, first in copied.items())


def refused_copies(
    trajectories: Sequence[Trajectory], copied: dict[str, str]
) -> dict[tuple[str, int], QuarantineEntry]:
    """Finds trajectories of which a copy is held out from training: (file, row) to the reason.

    Of copies, the one in test stays, otherwise the one in valid.
    """
    # Of each row of the first of several copies: the splits that it has in each of them.
    rows: dict[tuple[str, int], dict[str, set[Split]]] = defaultdict(lambda: defaultdict(set))
    for trajectory in trajectories:
        file, row = trajectory.origin.file, trajectory.origin.row
        rows[copied.get(file, file), row][file].add(trajectory.split)
    refused: dict[tuple[str, int], QuarantineEntry] = {}
    for (_, row), splits_in in rows.items():
        strictest = max(set().union(*splits_in.values()), key=SPLITS.index)
        kept = next(file for file, splits in splits_in.items() if strictest in splits)
        for file, splits in splits_in.items():
            if strictest not in splits:
                reason = f"holds the same as {kept}, which is in {strictest}; remove one of the two files"
                refused[file, row] = QuarantineEntry(file, row, reason)
    return refused
