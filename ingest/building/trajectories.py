"""Decides which rows of the input files become trajectories: their splits, their keys, and which are left
out.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.building.agreement import InputHeader
from ingest.building.checks import parameter_fault, time_fault
from ingest.building.copies import refused_copies
from ingest.building.inputs import InputFile
from ingest.recipe import Recipe
from shards.card import QuarantineEntry
from shards.json_text import to_text
from shards.schema import SPLITS, Origin, Split, Trajectory, trajectory_key

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UsableTrajectories:
    """The trajectories to build, by split, in order of file and row; and the rows that are left out."""

    trajectories: tuple[Trajectory, ...]
    refused: tuple[QuarantineEntry, ...]


def usable_trajectories(
    recipe: Recipe, headers: tuple[InputHeader, ...], taken: frozenset[str], copied: dict[str, str]
) -> UsableTrajectories:
    """The rows whose times and parameters pass the checks. Keys differ from those `taken`.

    `copied` maps files to another file with the same bytes: no row of such files may be in two splits.
    """
    splits = _splits(recipe, headers)
    usable: list[Trajectory] = []
    refused: list[QuarantineEntry] = []
    for header, stem in zip(headers, _stems(recipe, headers, taken), strict=True):
        for number, row in enumerate(header.rows):
            wanted, fault = next(splits), time_fault(row.time) or parameter_fault(row.scalars)
            if fault:
                refused.append(QuarantineEntry(header.file.path, number, fault))
                continue
            key, origin = trajectory_key(stem, number), Origin(header.file.path, number)
            usable += [Trajectory(key, split, origin, row.time, row.scalars) for split in wanted]

    twice = refused_copies(usable, copied)
    usable = [each for each in usable if (each.origin.file, each.origin.row) not in twice]
    refused += twice.values()
    usable.sort(key=lambda trajectory: SPLITS.index(trajectory.split))
    return UsableTrajectories(tuple(usable), tuple(refused))


def warn_of_empty_rules(
    recipe: Recipe, files: tuple[InputFile, ...], trajectories: tuple[Trajectory, ...]
) -> None:
    """Logs the rules that hold out no trajectory, for example because a folder was renamed."""
    places = {file.path: file.place for file in files}
    found = [(places[trajectory.origin.file], trajectory.scalars) for trajectory in trajectories]
    empty: list[str] = []
    for rule in recipe.held_out:
        empty += [str(part) for part in rule.holding_none_of(found)]
    if empty:
        log.warning(
            "%s: no input matches these rules of [[held_out]]: %s; is a file missing, or a folder renamed?",
            recipe.name,
            "; ".join(empty),
        )


def _splits(recipe: Recipe, headers: tuple[InputHeader, ...]) -> Iterator[tuple[Split, ...]]:
    """The splits of each row: those it is held out for, otherwise those of its arrays or its path.

    The shares of the recipe divide the other rows.
    """
    stated: list[tuple[Split, ...]] = []
    for header in headers:
        file = header.file
        for row in header.rows:
            split = row.split or file.split
            held_out_for = recipe.held_out_for(file.place, row.scalars)
            stated.append(held_out_for or ((split,) if split else ()))
    rest = iter(recipe.shares.shared_out(stated.count(())))
    for splits in stated:
        yield splits or (next(rest),)


def _stems(recipe: Recipe, headers: tuple[InputHeader, ...], taken: frozenset[str]) -> list[str]:
    """The first part of the keys of each file; files with equal keys get a digest of their path.

    Keys that differ only in case are equal (docs/decisions/0158-keys-without-case.md).
    """
    every_path_has_a_split = not recipe.held_out and all(header.file.split for header in headers)
    names = [
        (header.file.split if every_path_has_a_split else None, _plain(header.file.stem, 0))
        for header in headers
    ]
    count, taken = Counter(names), frozenset(key.casefold() for key in taken)
    stems = []
    for header, name in zip(headers, names, strict=True):
        stem = header.file.stem
        is_taken = any(_plain(stem, row) in taken for row in range(len(header.rows)))
        if count[name] > 1 or is_taken:
            digest = hashlib.sha256(to_text(header.file.path).encode()).hexdigest()
            stem = f"{stem}-{digest[:8]}"
        stems.append(stem)

    return stems


def _plain(stem: str, row: int) -> str:
    """A key in lower case, as a file system without case sees it."""
    return trajectory_key(stem, row).casefold()
