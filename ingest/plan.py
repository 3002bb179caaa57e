"""What a build will do, from headers alone: which trajectory of which file goes into which part.

A part is what one process writes at a time: some groups of the zarr packaging, or one tar. The plan depends on the
inputs and the recipe, never on the number of workers.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from ingest.checks import time_fault
from ingest.inputs import InputFile, find_inputs
from ingest.recipe import Recipe, SplitRule
from ingest.rounding import kept_errors
from ingest.scale import powers
from ingest.source import Row, find
from shards.card import KeptError, Quarantined
from shards.codec import CodecName
from shards.document import to_text
from shards.errors import MismatchError, SourceError
from shards.index import Packaging
from shards.shard import chunk_shape
from shards.spec import SPLITS, Grid, Origin, Schema, Split, Trajectory, trajectory_key

PART_BYTES: dict[Packaging, int] = {"zarr": 64 * 2**20, "webdataset": 2**30}
# A trajectory longer than this is cut into several shards, at frames.
SHARD_BYTES = 128 * 2**20


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
class Plan:
    """The whole build of one dataset."""

    recipe: Recipe
    schema: Schema
    powers: dict[str, int]
    packaging: Packaging
    codec: CodecName
    inputs: tuple[InputFile, ...]
    parts: tuple[Part, ...]
    refused: tuple[Quarantined, ...]
    # What each variable field may lose; empty where every bit is kept.
    errors: dict[str, KeptError] = field(default_factory=dict)

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


@dataclass(frozen=True)
class _Header:
    file: InputFile
    schema: Schema
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Onto:
    """A built dataset that a plan adds to: schema, powers, errors stay, keys are taken, parts are counted on."""

    schema: Schema
    powers: dict[str, int]
    errors: dict[str, KeptError]
    keys: frozenset[str]
    parts: dict[Split, int]


def make_plan(
    recipe: Recipe, start: Path, packaging: Packaging, codec: CodecName, *, keep_error: float | None = None
) -> Plan:
    """The plan of `recipe` on the files at `start`; raises SourceError where not one file can be used.

    `keep_error` is the share of the one-step change that a value may lose; without it every bit is kept.
    """
    files = find_inputs(recipe, start)
    headers, refused, error = _headers(recipe, files, None)
    if error and not headers:
        raise error
    schema = headers[0].schema
    trajectories, bad_rows = _trajectories(recipe, headers, frozenset())
    if not trajectories:
        first = f"the first: {bad_rows[0].path}: {bad_rows[0].reason}" if bad_rows else "the files hold none"
        raise SourceError(f"{start}: no trajectory can be used; {first}")
    chosen = powers(recipe, schema, files, trajectories)
    errors = {} if keep_error is None else kept_errors(recipe, schema, files, trajectories, keep_error)
    plan = Plan(recipe, schema, chosen, packaging, codec, files, (), (*refused, *bad_rows), errors)
    return replace(plan, parts=_parts(plan, trajectories, {}))


def plan_onto(recipe: Recipe, files: tuple[InputFile, ...], packaging: Packaging, codec: CodecName, onto: Onto) -> Plan:
    """The plan that adds `files` to a built dataset; without parts where none of them can be used."""
    headers, refused, _ = _headers(recipe, files, onto.schema)
    trajectories, bad_rows = _trajectories(recipe, headers, onto.keys)
    plan = Plan(recipe, onto.schema, onto.powers, packaging, codec, files, (), (*refused, *bad_rows), onto.errors)
    return replace(plan, parts=_parts(plan, trajectories, onto.parts))


def recipe_digest(recipe: Recipe) -> str:
    return _digest(asdict(recipe))


def without_place(error: Exception, file: InputFile) -> str:
    """What is wrong with a file, in words that do not depend on where it lies."""
    return str(error).replace(f"{file.place}: ", "").replace(str(file.place), file.path)


def _digest(value: Any) -> str:
    return hashlib.sha256(to_text(value).encode()).hexdigest()


def _headers(
    recipe: Recipe, files: tuple[InputFile, ...], schema: Schema | None
) -> tuple[list[_Header], list[Quarantined], Exception | None]:
    """Headers of the files that agree with this schema, or with the first good one, and the first error.

    A bad file stops nothing but itself.
    """
    first = None if schema is None else (schema, "the dataset")
    headers: list[_Header] = []
    refused: list[Quarantined] = []
    first_error: SourceError | MismatchError | None = None
    for file in files:
        try:
            with find(recipe.source).open_file(file.place, recipe) as opened:
                header = _Header(file, opened.schema, opened.rows)
            first = first or (header.schema, file.path)
            _require_same(header, *first)
            headers.append(header)
        except (SourceError, MismatchError) as error:
            first_error = first_error or error
            refused.append(Quarantined(file.path, None, without_place(error, file)))
    return headers, refused, first_error


def _require_same(header: _Header, expected: Schema, where: str) -> None:
    found = header.schema
    faults = [
        f"{word} {b}, expected {a} as in {where}"
        for word, a, b in (
            ("grid", expected.grid.shape, found.grid.shape),
            ("axes", expected.grid.axes, found.grid.axes),
            ("boundaries", _names(expected), _names(found)),
            ("dtype", expected.dtype, found.dtype),
        )
        if a != b
    ]
    if not faults and not _same_cells(expected.grid, found.grid):
        faults = [f"coordinates other than in {where}"]
    if faults:
        raise MismatchError(f"{header.file.place}: {'; '.join(faults)}; ingest it as a dataset of its own")


def _same_cells(a: Grid, b: Grid) -> bool:
    """Equal coordinates, to a thousandth of the longest axis: files of one system may differ by rounding."""
    tolerance = 1e-3 * max(max(values) - min(values) for values in a.coordinates)
    return all(np.allclose(x, y, rtol=0, atol=tolerance) for x, y in zip(a.coordinates, b.coordinates, strict=True))


def _names(schema: Schema) -> list[list[str]]:
    return [[side.name.lower() for side in sides] for sides in schema.boundaries]


def _trajectories(
    recipe: Recipe, headers: list[_Header], taken: frozenset[str]
) -> tuple[list[Trajectory], list[Quarantined]]:
    """All usable trajectories, by split, in order of file and row; no key is one of those taken."""
    splits = _row_splits(recipe.split, sum(len(h.rows) for h in headers if h.file.split is None))
    usable: list[Trajectory] = []
    refused: list[Quarantined] = []
    for header, stem in zip(headers, _stems(headers, taken), strict=True):
        for number, row in enumerate(header.rows):
            split = next(splits) if header.file.split is None else header.file.split
            fault = time_fault(row.time)
            if fault:
                refused.append(Quarantined(header.file.path, number, fault))
                continue
            origin = Origin(header.file.path, number)
            usable.append(Trajectory(trajectory_key(stem, number), split, origin, row.time, row.scalars))
    return sorted(usable, key=lambda trajectory: SPLITS.index(trajectory.split)), refused


def _stems(headers: list[_Header], taken: frozenset[str]) -> list[str]:
    """How the keys of each file begin; a digest of the path tells files apart that would give the same keys."""
    every_place_tells = all(header.file.split for header in headers)
    stems = [Path(header.file.path).stem for header in headers]
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


def _row_splits(rule: SplitRule, rows: int) -> Iterator[Split]:
    """The split of each row of a source that has none: shares in order, each at least one row where there are three."""
    valid, test = (max(round(rows * share), int(share > 0 and rows >= 3)) for share in (rule.valid, rule.test))
    counts: dict[Split, int] = {"train": rows - valid - test, "valid": valid, "test": test}
    return iter([split for split in SPLITS for _ in range(counts[split])])


def _terms(plan: Plan) -> str:
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


def _parts(plan: Plan, trajectories: list[Trajectory], before: dict[Split, int]) -> tuple[Part, ...]:
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
                Part(f"{split}-{number:05d}", split, group, _digest({"terms": terms, "files": used, "rows": rows}))
            )
    return tuple(parts)


def _groups(schema: Schema, packaging: Packaging, chosen: list[Trajectory]) -> Iterator[tuple[Trajectory, ...]]:
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
