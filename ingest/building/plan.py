"""Plans a build: which trajectory of which file is written in which part.

One process writes a part at a time: some groups of the zarr packaging, or one tar. The plan depends on the
inputs and the recipe, never on the number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from ingest.building.agreement import ExistingDataset, agreed_headers
from ingest.building.caveats import caveats
from ingest.building.copies import copies, copy_notes
from ingest.building.digests import digest_of, shard_digest
from ingest.building.inputs import InputFile, find_inputs
from ingest.building.memory import Resources, Workload
from ingest.building.part_groups import groups_of_parts
from ingest.building.rounding import ErrorBounds, error_bounds
from ingest.building.scale import powers
from ingest.building.trajectories import usable_trajectories, warn_of_empty_rules
from ingest.recipe import Recipe
from shards.card import KeptError, QuarantineEntry
from shards.codec import CodecName
from shards.errors import SourceError
from shards.format_version import FORMAT
from shards.index import Packaging
from shards.schema import SPLITS, DType, Schema, Split, Trajectory
from shards.shard import chunk_shape

# A longer trajectory is cut into several shards, between frames.
SHARD_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Part:
    """Trajectories of one split, in order; `digest` covers everything that decides the bytes written.

    For large files it covers samples only; `modified` holds the modification times of these (nanoseconds).
    """

    name: str
    split: Split
    trajectories: tuple[Trajectory, ...]
    digest: str
    modified: dict[str, int]

    @property
    def frames(self) -> int:
        return sum(trajectory.frames for trajectory in self.trajectories)


@dataclass(frozen=True)
class AgreedInputs:
    """What the headers of the input files agree on. No frame is read for it.

    `schema` is that of the files. `refused` are the files and rows that are left out, `caveats` are notes on
    the others.
    """

    recipe: Recipe
    schema: Schema
    files: tuple[InputFile, ...]
    trajectories: tuple[Trajectory, ...]
    refused: tuple[QuarantineEntry, ...]
    caveats: tuple[str, ...]

    def least_work(self, packaging: Packaging, *, rounded: bool) -> Workload:
        """The work of a build of these files; rounding may store float64 as float32, in fewer parts."""
        stored = replace(self.schema, dtype="float32") if rounded else self.schema
        return _work(self.schema, groups_of_parts(stored, packaging, self.trajectories))


@dataclass(frozen=True)
class BuildPlan:
    """The whole build of one dataset.

    `read_dtype` is the type of the frames as their source gives them. `errors` holds the error allowed for
    each variable field; it is empty if every bit is kept. `caveats` are notes on the inputs.
    """

    recipe: Recipe
    schema: Schema
    read_dtype: DType
    powers: dict[str, int]
    packaging: Packaging
    codec: CodecName
    inputs: tuple[InputFile, ...]
    parts: tuple[Part, ...]
    refused: tuple[QuarantineEntry, ...]
    errors: dict[str, KeptError]
    caveats: tuple[str, ...]

    @property
    def read_frame_bytes(self) -> int:
        """Bytes of a frame as its source gives it."""
        return self.work.frame_bytes

    @property
    def work(self) -> Workload:
        """What the memory of the build depends on."""
        return _work(replace(self.schema, dtype=self.read_dtype), self.parts)

    @property
    def shard_frames(self) -> int:
        """The most frames of one shard."""
        return max(1, SHARD_BYTES // self.schema.frame_bytes)

    @property
    def chunk(self) -> tuple[int, ...]:
        """The shape [C, *S] of one chunk."""
        return chunk_shape(self.schema.frame_shape, np.dtype(self.schema.dtype).itemsize)

    @property
    def frame_powers(self) -> tuple[int, ...]:
        """The power k of each channel of a frame."""
        return self.schema.per_channel(self.powers)

    @property
    def static_powers(self) -> tuple[int, ...]:
        """The power k of each channel of the static array."""
        return self.schema.per_channel(self.powers, constant=True)

    @property
    def allowed(self) -> tuple[float, ...]:
        """The error allowed for each channel of the frames; empty if values are not rounded."""
        if not self.errors:
            return ()
        return tuple(error.allowed for error in self.schema.per_channel(self.errors))

    def input(self, path: str) -> InputFile:
        return next(file for file in self.inputs if file.path == path)


def agree_inputs(recipe: Recipe, start: Path) -> AgreedInputs:
    """Reads the headers of the files at `start`; raises SourceError if no file can be used."""
    files = find_inputs(recipe, start)
    agreed = agreed_headers(recipe, files, None)
    if agreed.first_error and not agreed.headers:
        raise agreed.first_error

    copied = copies([header.file for header in agreed.headers])
    usable = usable_trajectories(recipe, agreed.headers, frozenset(), copied)
    if not usable.trajectories:
        bad = usable.refused
        first = f"the first: {bad[0].path}: {bad[0].reason}" if bad else "the files hold none"
        raise SourceError(f"{start}: no trajectory can be used; {first}")

    warn_of_empty_rules(recipe, files, usable.trajectories)
    return AgreedInputs(
        recipe=recipe,
        schema=agreed.headers[0].schema,
        files=files,
        trajectories=usable.trajectories,
        refused=(*agreed.refused, *usable.refused),
        caveats=(*caveats(recipe, [header.file for header in agreed.headers]), *copy_notes(copied)),
    )


def plan_build(
    recipe: Recipe,
    start: Path,
    packaging: Packaging,
    codec: CodecName,
    *,
    keep_error: float | None = None,
    resources: Resources | None = None,
) -> BuildPlan:
    """Plans a build of `recipe` on the files at `start`; raises SourceError if no file can be used.

    `keep_error` is the largest error of a value, as a share of the one-step change of its field (RMS);
    without it every bit is kept.
    Raises SettingsError if `resources` are too small, before the first frame is read.
    """
    agreed = agree_inputs(recipe, start)
    if resources is not None:
        resources.slab_bytes(agreed.least_work(packaging, rounded=keep_error is not None))
    schema, files, trajectories = agreed.schema, agreed.files, agreed.trajectories
    chosen = powers(recipe, schema, files, trajectories)
    bounds = ErrorBounds({}, schema.dtype)
    if keep_error is not None:
        bounds = error_bounds(recipe, schema, files, trajectories, keep_error)
    plan = BuildPlan(
        recipe=recipe,
        schema=replace(schema, dtype=bounds.dtype),
        read_dtype=schema.dtype,
        powers=chosen,
        packaging=packaging,
        codec=codec,
        inputs=files,
        parts=(),
        refused=agreed.refused,
        errors=bounds.errors,
        caveats=agreed.caveats,
    )
    return _with_parts(plan, trajectories, {})


def plan_onto(
    recipe: Recipe,
    files: tuple[InputFile, ...],
    packaging: Packaging,
    codec: CodecName,
    onto: ExistingDataset,
) -> BuildPlan:
    """Plans to add `files` to a built dataset; the plan has no parts if no file can be used."""
    agreed = agreed_headers(recipe, files, onto)
    copied = copies([header.file for header in agreed.headers])
    usable = usable_trajectories(recipe, agreed.headers, onto.keys, copied)
    read_float64 = any(header.read_dtype == "float64" for header in agreed.headers)
    plan = BuildPlan(
        recipe=recipe,
        schema=onto.schema,
        read_dtype="float64" if read_float64 else "float32",
        powers=onto.powers,
        packaging=packaging,
        codec=codec,
        inputs=files,
        parts=(),
        refused=(*agreed.refused, *usable.refused),
        errors=onto.errors,
        caveats=caveats(recipe, [header.file for header in agreed.headers]),
    )
    return _with_parts(plan, usable.trajectories, onto.parts)


def _work(schema: Schema, parts: Sequence[object]) -> Workload:
    """What the memory of a build depends on, if frames are read with this schema."""
    static_bytes = int(np.prod(schema.static_shape)) * np.dtype(schema.dtype).itemsize
    return Workload(frame_bytes=schema.frame_bytes, static_bytes=static_bytes, parts=len(parts))


def _with_parts(plan: BuildPlan, trajectories: Sequence[Trajectory], before: dict[Split, int]) -> BuildPlan:
    """The plan with consecutive trajectories of one split grouped into parts, numbered from `before` on."""
    by_path = {file.path: file for file in plan.inputs}
    numbers = {split: before.get(split, 0) for split in SPLITS}
    terms = _terms(plan)
    parts: list[Part] = []
    for group in groups_of_parts(plan.schema, plan.packaging, trajectories):
        split = group[0].split
        used = {each.origin.file: by_path[each.origin.file] for each in group}
        prints = {path: [file.bytes, file.digest] for path, file in used.items()}
        rows = [[each.key, each.origin.file, each.origin.row] for each in group]
        parts.append(
            Part(
                name=f"{split}-{numbers[split]:05d}",
                split=split,
                trajectories=group,
                digest=digest_of({"terms": terms, "files": prints, "rows": rows}),
                modified={path: file.modified for path, file in used.items() if not file.wholly_in_digest},
            )
        )
        numbers[split] += 1

    return replace(plan, parts=tuple(parts))


def _terms(plan: BuildPlan) -> str:
    """Digest of everything besides the inputs that decides the bytes of every part (docs/decisions/0045)."""
    without_unit = tuple(replace(each, unit="") for each in plan.schema.fields)
    schema = replace(plan.schema, fields=without_unit, units={})
    terms = {
        "format": FORMAT,
        "recipe": shard_digest(plan.recipe),
        "schema": TypeAdapter(Schema).dump_python(schema, mode="json"),
        "powers": plan.powers,
        "packaging": plan.packaging,
        "codec": plan.codec,
        "chunk": plan.chunk,
        "shard_frames": plan.shard_frames,
    }
    if plan.errors:
        terms["allowed"] = list(plan.allowed)
    return digest_of(terms)
