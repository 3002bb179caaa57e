"""What a build will do, from headers alone: which trajectory of which file goes into which part.

A part is what one process writes at a time: some groups of the zarr packaging, or one tar. The plan depends
on the inputs and the recipe, never on the number of workers.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from ingest.building.agreement import ExistingDataset, Header, headers_of
from ingest.building.caveats import caveats
from ingest.building.checks import parameter_fault, time_fault
from ingest.building.inputs import InputFile, find_inputs
from ingest.building.rounding import ErrorBounds, kept
from ingest.building.scale import powers
from ingest.recipe import Recipe
from shards.card import KeptError, Quarantined
from shards.codec import CodecName
from shards.errors import SourceError
from shards.index import Packaging
from shards.json_text import to_text
from shards.schema import SPLITS, DType, Origin, Schema, Split, Trajectory, trajectory_key
from shards.shard import chunk_shape

PART_BYTES: dict[Packaging, int] = {"zarr": 64 * 2**20, "webdataset": 2**30}
# A trajectory longer than this is cut into several shards, at frames.
SHARD_BYTES = 128 * 2**20
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """Trajectories of one split, in order; `digest` covers all that decides the bytes written."""

    name: str
    split: Split
    trajectories: tuple[Trajectory, ...]
    digest: str

    @property
    def frames(self) -> int:
        return sum(trajectory.frames for trajectory in self.trajectories)


@dataclass(frozen=True)
class BuildPlan:
    """The whole build of one dataset; `read_dtype` is that of the frames as their source gives them."""

    recipe: Recipe
    schema: Schema
    read_dtype: DType
    powers: dict[str, int]
    packaging: Packaging
    codec: CodecName
    inputs: tuple[InputFile, ...]
    parts: tuple[Part, ...]
    refused: tuple[Quarantined, ...]
    # What each variable field may lose; empty where every bit is kept.
    errors: dict[str, KeptError] = field(default_factory=dict)
    # What its user should know of the inputs.
    caveats: tuple[str, ...] = ()

    @property
    def read_frame_bytes(self) -> int:
        """Bytes of a frame as its source gives it."""
        return replace(self.schema, dtype=self.read_dtype).frame_bytes

    @property
    def shard_frames(self) -> int:
        return max(1, SHARD_BYTES // self.schema.frame_bytes)

    @property
    def chunk(self) -> tuple[int, ...]:
        """[C, *S] of one chunk."""
        return chunk_shape(self.schema.frame_shape, np.dtype(self.schema.dtype).itemsize)

    def channel_powers(self, constant: bool) -> tuple[int, ...]:
        """k of each channel of the frames, or of the static array."""
        return self.schema.per_channel(self.powers, constant)

    @property
    def allowed(self) -> tuple[float, ...]:
        """The error allowed of each channel of the frames; empty where every bit is kept."""
        return tuple(error.allowed for error in self.schema.per_channel(self.errors)) if self.errors else ()

    def input(self, path: str) -> InputFile:
        return next(file for file in self.inputs if file.path == path)


def plan_build(
    recipe: Recipe,
    start: Path,
    packaging: Packaging,
    codec: CodecName,
    *,
    keep_error: float | None = None,
    admit: Callable[[BuildPlan], object] | None = None,
) -> BuildPlan:
    """The plan of `recipe` on the files at `start`; raises SourceError where not one file can be used.

    `keep_error` is the share of the one-step change that a value may lose; without it every bit is kept. `admit` may
    raise to stop what would cost too much: it sees the plan before the first frame is read, its powers still
    unknown.
    """
    files = find_inputs(recipe, start)
    headers, refused, error = headers_of(recipe, files, None)
    if error and not headers:
        raise error
    schema = headers[0].schema
    trajectories, bad_rows = _trajectories(recipe, headers, frozenset())
    if not trajectories:
        first = f"the first: {bad_rows[0].path}: {bad_rows[0].reason}" if bad_rows else "the files hold none"
        raise SourceError(f"{start}: no trajectory can be used; {first}")
    _tell_of_empty_rules(recipe, files, trajectories)
    # Rounding may store float64 as float32: what the plan needs at least.
    least = schema if keep_error is None else replace(schema, dtype="float32")
    unknown, left_out = {each.name: 0 for each in recipe.fields}, (*refused, *bad_rows)
    told = caveats(recipe, [header.file for header in headers])
    plan = BuildPlan(
        recipe, least, schema.dtype, unknown, packaging, codec, files, (), left_out, caveats=told
    )
    if admit is not None:
        admit(replace(plan, parts=_parts(plan, trajectories, {})))
    chosen = powers(recipe, schema, files, trajectories)
    all_bits = ErrorBounds({}, schema.dtype)
    held = all_bits if keep_error is None else kept(recipe, schema, files, trajectories, keep_error)
    plan = replace(plan, schema=replace(schema, dtype=held.dtype), powers=chosen, errors=held.errors)
    return replace(plan, parts=_parts(plan, trajectories, {}))


def plan_onto(
    recipe: Recipe,
    files: tuple[InputFile, ...],
    packaging: Packaging,
    codec: CodecName,
    onto: ExistingDataset,
) -> BuildPlan:
    """The plan that adds `files` to a built dataset; without parts where none of them can be used."""
    headers, refused, _ = headers_of(recipe, files, onto)
    trajectories, bad_rows = _trajectories(recipe, headers, onto.keys)
    read: DType = "float64" if any(header.read_dtype == "float64" for header in headers) else "float32"
    left_out = (*refused, *bad_rows)
    told = caveats(recipe, [header.file for header in headers])
    plan = BuildPlan(
        recipe, onto.schema, read, onto.powers, packaging, codec, files, (), left_out, onto.errors, told
    )
    return replace(plan, parts=_parts(plan, trajectories, onto.parts))


def recipe_digest(recipe: Recipe) -> str:
    return _digest(asdict(recipe))


def _digest(value: Any) -> str:
    return hashlib.sha256(to_text(value).encode()).hexdigest()


def _trajectories(
    recipe: Recipe, headers: list[Header], taken: frozenset[str]
) -> tuple[list[Trajectory], list[Quarantined]]:
    """All usable trajectories, by split, in order of file and row; no key is one of those taken."""
    splits = _splits(recipe, headers)
    usable: list[Trajectory] = []
    refused: list[Quarantined] = []
    for header, stem in zip(headers, _stems(recipe, headers, taken), strict=True):
        for number, row in enumerate(header.rows):
            places, fault = next(splits), time_fault(row.time) or parameter_fault(row.scalars)
            if fault:
                refused.append(Quarantined(header.file.path, number, fault))
                continue
            key, origin = trajectory_key(stem, number), Origin(header.file.path, number)
            usable += [Trajectory(key, split, origin, row.time, row.scalars) for split in places]
    return sorted(usable, key=lambda trajectory: SPLITS.index(trajectory.split)), refused


def _tell_of_empty_rules(
    recipe: Recipe, files: tuple[InputFile, ...], trajectories: list[Trajectory]
) -> None:
    """A rule that names files or parameters fails in silence where a folder was renamed, or a file not fetched."""
    places = {file.path: file.place for file in files}
    found = [(places[trajectory.origin.file], trajectory.scalars) for trajectory in trajectories]
    empty = [str(part) for rule in recipe.held_out for part in rule.holding_none_of(found)]
    if empty:
        log.warning(
            "%s: to be held out, but not among the inputs: %s; is a file missing, or a folder renamed?",
            recipe.name,
            "; ".join(empty),
        )


def _splits(recipe: Recipe, headers: list[Header]) -> Iterator[tuple[Split, ...]]:
    """Of each row in order: the splits it is held out for, else the one that its place says, else its share's."""
    rows = [(h.file.split, recipe.held_out_for(h.file.place, row.scalars)) for h in headers for row in h.rows]
    rest = iter(recipe.shares.shared_out(sum(not held and place is None for place, held in rows)))
    for place, held in rows:
        yield held or (next(rest) if place is None else place,)


def _stems(recipe: Recipe, headers: list[Header], taken: frozenset[str]) -> list[str]:
    """How the keys of each file begin; a digest of the path tells files apart that would give the same keys."""
    every_place_tells = not recipe.held_out and all(header.file.split for header in headers)
    stems = [header.file.stem for header in headers]
    names = [
        (header.file.split if every_place_tells else None, trajectory_key(stem, 0))
        for header, stem in zip(headers, stems, strict=True)
    ]
    count = Counter(names)
    clashes = [
        count[name] > 1 or any(trajectory_key(stem, row) in taken for row in range(len(header.rows)))
        for header, stem, name in zip(headers, stems, names, strict=True)
    ]
    return [
        stem + (f"-{_digest(header.file.path)[:8]}" if clash else "")
        for header, stem, clash in zip(headers, stems, clashes, strict=True)
    ]


def _terms(plan: BuildPlan) -> str:
    """Digest of all that decides the bytes of every part, beside its inputs."""
    return _digest(
        {
            "recipe": recipe_digest(plan.recipe),
            "schema": TypeAdapter(Schema).dump_python(plan.schema, mode="json"),
            "powers": plan.powers,
            "packaging": plan.packaging,
            "codec": plan.codec,
            "chunk": plan.chunk,
            "shard_frames": plan.shard_frames,
        }
        | ({"allowed": list(plan.allowed)} if plan.errors else {})
    )


def _parts(plan: BuildPlan, trajectories: list[Trajectory], before: dict[Split, int]) -> tuple[Part, ...]:
    """Consecutive trajectories of one split up to the size of a part, numbered from `before`; zarr keeps to a file."""
    terms = _terms(plan)
    prints = {file.path: [file.bytes, file.modified, file.digest] for file in plan.inputs}
    parts: list[Part] = []
    for split in SPLITS:
        chosen = [t for t in trajectories if t.split == split]
        for number, group in enumerate(_groups(plan.schema, plan.packaging, chosen), before.get(split, 0)):
            used = {trajectory.origin.file: prints[trajectory.origin.file] for trajectory in group}
            rows = [[t.key, t.origin.file, t.origin.row] for t in group]
            parts.append(
                Part(
                    f"{split}-{number:05d}",
                    split,
                    group,
                    _digest({"terms": terms, "files": used, "rows": rows}),
                )
            )
    return tuple(parts)


def _groups(
    schema: Schema, packaging: Packaging, chosen: list[Trajectory]
) -> Iterator[tuple[Trajectory, ...]]:
    group: list[Trajectory] = []
    size = 0
    for trajectory in chosen:
        length = trajectory.frames * schema.frame_bytes
        apart = packaging == "zarr" and group and group[-1].origin.file != trajectory.origin.file
        if group and (apart or size + length > PART_BYTES[packaging]):
            yield tuple(group)
            group, size = [], 0
        group.append(trajectory)
        size += length
    if group:
        yield tuple(group)
