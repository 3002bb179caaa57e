"""A plan without its trajectories: what `finish` needs to merge parts written by several jobs.

If several jobs each build a share of the parts, the outline is in the dataset's folder until the parts are
merged.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.building.lock import Lock
from ingest.building.plan import BuildPlan
from ingest.recipe import Recipe
from shards.card import Input, KeptError, QuarantineEntry
from shards.codec import CodecName
from shards.disk import write_atomically
from shards.errors import MismatchError, SettingsError
from shards.index import Packaging
from shards.json_text import dump_with_checksum, parse_with_checksum
from shards.schema import AtLeastOne, Natural, Schema, Split, checked

UNFINISHED = "unfinished.json"


@checked
class PartOutline:
    """A part without its trajectories; `bytes` is the size of its frames before they are encoded."""

    name: str
    split: Split
    digest: str
    bytes: Natural


@checked
class BuildOutline:
    """A plan without its trajectories; `jobs` is the number of shares into which its parts are divided."""

    recipe: Recipe
    schema: Schema
    powers: dict[str, int]
    packaging: Packaging
    codec: CodecName
    chunk: tuple[int, ...]
    inputs: tuple[Input, ...]
    refused: tuple[QuarantineEntry, ...]
    parts: tuple[PartOutline, ...]
    jobs: AtLeastOne = 1
    errors: dict[str, KeptError] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()

    @classmethod
    def of(cls, plan: BuildPlan, jobs: int = 1) -> BuildOutline:
        """The outline of a plan that is divided into this many shares."""
        used: set[str] = set()
        for part in plan.parts:
            used.update(trajectory.origin.file for trajectory in part.trajectories)
        return cls(
            recipe=plan.recipe,
            schema=plan.schema,
            powers=plan.powers,
            packaging=plan.packaging,
            codec=plan.codec,
            chunk=plan.chunk,
            inputs=tuple(
                Input(file.path, file.bytes, file.digest) for file in plan.inputs if file.path in used
            ),
            refused=plan.refused,
            parts=tuple(
                PartOutline(part.name, part.split, part.digest, part.frames * plan.schema.frame_bytes)
                for part in plan.parts
            ),
            jobs=jobs,
            errors=plan.errors,
            caveats=plan.caveats,
        )

    def owners(self) -> tuple[int, ...]:
        """The job (from 1 on) that builds each part."""
        return share_out([part.bytes for part in self.parts], self.jobs)


@dataclass(frozen=True)
class Share:
    """The parts that job number `job` of `jobs` jobs builds; the first is 1."""

    job: int
    jobs: int


def share_of(part: str) -> Share:
    """Parses `job/jobs`; raises SettingsError if the text is not a share.

    >>> share_of("3/16")
    Share(job=3, jobs=16)
    """
    found = re.fullmatch(r"(\d+)/(\d+)", part)
    job, jobs = (int(number) for number in found.groups()) if found else (0, 0)
    if not 1 <= job <= jobs:
        raise SettingsError(f"--part {part}: is not a share; expected, for example, 1/16 to 16/16")
    return Share(job, jobs)


def share_out(sizes: Sequence[int], jobs: int) -> tuple[int, ...]:
    """Assigns each part to a job (from 1 on): the largest part first, to the job that has least so far.

    >>> share_out([10, 40, 20, 15], jobs=2)
    (2, 1, 2, 2)
    """
    loads = [(0, job) for job in range(1, jobs + 1)]
    owner = [0] * len(sizes)
    for part in sorted(range(len(sizes)), key=lambda number: (-sizes[number], number)):
        load, owner[part] = loads[0]
        heapq.heapreplace(loads, (load + sizes[part], owner[part]))
    return tuple(owner)


def read_outline(folder: Path) -> BuildOutline | None:
    """The outline of a build that is not merged yet; raises ShardError if it is damaged."""
    path = folder / UNFINISHED
    return parse_with_checksum(BuildOutline, path.read_bytes(), str(path)) if path.is_file() else None


def keep_outline(folder: Path, outline: BuildOutline, lock: Lock) -> None:
    """Writes the outline, or compares it with the existing one; raises MismatchError if they differ."""
    path, text = folder / UNFINISHED, dump_with_checksum(BuildOutline, outline)
    with lock.turn():
        if not path.is_file():
            write_atomically(path, text)
        elif path.read_bytes() != text:
            raise MismatchError(
                f"{path}: another job had other inputs, recipe, options or number of parts; give all jobs "
                "the same, or delete this file and run all parts again"
            )
