"""What a build will do, from headers alone: which trajectory of which file goes into which part.

A part is what one process writes at a time: some groups of the zarr packaging, or one tar. The plan depends on the
inputs and the recipe, never on the number of workers.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from ingest.checks import time_fault
from ingest.inputs import InputFile, find_inputs
from ingest.recipe import Recipe, RecipeField, SplitRule
from ingest.source import OpenFile, Row, find
from shards.card import Quarantined
from shards.codec import CodecName
from shards.document import to_text
from shards.errors import MismatchError, SourceError
from shards.index import Packaging
from shards.shard import chunk_shape
from shards.spec import SPLITS, Frames, Grid, Origin, Schema, Split, Trajectory, trajectory_key

PART_BYTES: dict[Packaging, int] = {"zarr": 64 * 2**20, "webdataset": 2**30}
# A trajectory longer than this is cut into several shards, at frames.
SHARD_BYTES = 128 * 2**20
SAMPLED_TRAJECTORIES = 16


@dataclass(frozen=True)
class Part:
    """Trajectories of one split, in order; `digest` covers all that decides the bytes written."""

    name: str
    split: Split
    trajectories: tuple[Trajectory, ...]
    digest: str


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

    @property
    def shard_frames(self) -> int:
        return max(1, SHARD_BYTES // self.schema.frame_bytes)

    @property
    def chunk(self) -> tuple[int, ...]:
        """[C, *S] of one chunk."""
        return chunk_shape(self.schema.frame_shape, np.dtype(self.schema.dtype).itemsize)

    def channel_powers(self, constant: bool) -> tuple[int, ...]:
        """k of each channel of the frames, or of the static array."""
        axes = self.schema.grid.axes
        fields = [field for field in self.schema.fields if field.constant == constant]
        return tuple(self.powers[field.name] for field in fields for _ in field.components(axes))

    def input(self, path: str) -> InputFile:
        return next(file for file in self.inputs if file.path == path)


@dataclass(frozen=True)
class _Header:
    file: InputFile
    schema: Schema
    rows: tuple[Row, ...]


def make_plan(recipe: Recipe, start: Path, packaging: Packaging, codec: CodecName) -> Plan:
    """The plan of `recipe` on the files at `start`; raises SourceError where not one file can be used."""
    files = find_inputs(recipe, start)
    headers, refused = _headers(recipe, files)
    schema = headers[0].schema
    trajectories, bad_rows = _trajectories(recipe, headers)
    if not trajectories:
        first = f"the first: {bad_rows[0].path}: {bad_rows[0].reason}" if bad_rows else "the files hold none"
        raise SourceError(f"{start}: no trajectory can be used; {first}")
    powers = _powers(recipe, schema, files, trajectories)
    plan = Plan(recipe, schema, powers, packaging, codec, files, (), (*refused, *bad_rows))
    return replace(plan, parts=_parts(plan, trajectories))


def recipe_digest(recipe: Recipe) -> str:
    return _digest(asdict(recipe))


def without_place(error: Exception, file: InputFile) -> str:
    """What is wrong with a file, in words that do not depend on where it lies."""
    return str(error).replace(f"{file.place}: ", "").replace(str(file.place), file.path)


def _digest(value: Any) -> str:
    return hashlib.sha256(to_text(value).encode()).hexdigest()


def _headers(recipe: Recipe, files: tuple[InputFile, ...]) -> tuple[list[_Header], list[Quarantined]]:
    """Headers of the files that agree with the first good one; a bad file stops nothing but itself."""
    headers: list[_Header] = []
    refused: list[Quarantined] = []
    first_error: SourceError | MismatchError | None = None
    for file in files:
        try:
            with find(recipe.source).open_file(file.place, recipe) as opened:
                header = _Header(file, opened.schema, opened.rows)
            _agrees(header, headers)
            headers.append(header)
        except (SourceError, MismatchError) as error:
            first_error = first_error or error
            refused.append(Quarantined(file.path, None, without_place(error, file)))
    if not headers:
        assert first_error is not None
        raise first_error
    return headers, refused


def _agrees(header: _Header, before: list[_Header]) -> None:
    if not before:
        return
    expected, found = before[0].schema, header.schema
    faults = [
        f"{word} {b}, expected {a} as in {before[0].file.path}"
        for word, a, b in (
            ("grid", expected.grid.shape, found.grid.shape),
            ("axes", expected.grid.axes, found.grid.axes),
            ("boundaries", _names(expected), _names(found)),
            ("dtype", expected.dtype, found.dtype),
        )
        if a != b
    ]
    if not faults and not _same_cells(expected.grid, found.grid):
        faults = [f"coordinates other than in {before[0].file.path}"]
    if faults:
        raise MismatchError(f"{header.file.place}: {'; '.join(faults)}; ingest it as a dataset of its own")


def _same_cells(a: Grid, b: Grid) -> bool:
    """Equal coordinates, to a thousandth of the longest axis: files of one system may differ by rounding."""
    tolerance = 1e-3 * max(max(values) - min(values) for values in a.coordinates)
    return all(np.allclose(x, y, rtol=0, atol=tolerance) for x, y in zip(a.coordinates, b.coordinates, strict=True))


def _names(schema: Schema) -> list[list[str]]:
    return [[side.name.lower() for side in sides] for sides in schema.boundaries]


def _trajectories(recipe: Recipe, headers: list[_Header]) -> tuple[list[Trajectory], list[Quarantined]]:
    """All usable trajectories, by split, in order of file and row."""
    splits = _row_splits(recipe.split, sum(len(h.rows) for h in headers if h.file.split is None))
    usable: list[Trajectory] = []
    refused: list[Quarantined] = []
    for header, stem in zip(headers, _stems([header.file for header in headers]), strict=True):
        for number, row in enumerate(header.rows):
            split = next(splits) if header.file.split is None else header.file.split
            fault = time_fault(row.time)
            if fault:
                refused.append(Quarantined(header.file.path, number, fault))
                continue
            origin = Origin(header.file.path, number)
            usable.append(Trajectory(trajectory_key(stem, number), split, origin, row.time, row.scalars))
    return sorted(usable, key=lambda trajectory: SPLITS.index(trajectory.split)), refused


def _stems(files: list[InputFile]) -> list[str]:
    """How the keys of each file begin; a digest of the path tells files apart that would give the same keys."""
    every_place_tells = all(file.split for file in files)
    names = [(file.split if every_place_tells else None, trajectory_key(Path(file.path).stem, 0)) for file in files]
    count = Counter(names)
    return [
        Path(file.path).stem + (f"-{_digest(file.path)[:8]}" if count[name] > 1 else "")
        for file, name in zip(files, names, strict=True)
    ]


def _row_splits(rule: SplitRule, rows: int) -> Iterator[Split]:
    """The split of each row of a source that has none: shares in order, each at least one row where there are three."""
    valid, test = (max(round(rows * share), int(share > 0 and rows >= 3)) for share in (rule.valid, rule.test))
    counts: dict[Split, int] = {"train": rows - valid - test, "valid": valid, "test": test}
    return iter([split for split in SPLITS for _ in range(counts[split])])


def _powers(
    recipe: Recipe, schema: Schema, files: tuple[InputFile, ...], trajectories: list[Trajectory]
) -> dict[str, int]:
    """k of each field: the power of two nearest the RMS of a fixed sample of the train split."""
    train = [t for t in trajectories if t.split == "train"] or trajectories
    picked = train[:: math.ceil(len(train) / SAMPLED_TRAJECTORIES)]
    squares: dict[str, list[float]] = {field.name: [] for field in recipe.fields}
    places = {file.path: file.place for file in files}
    for path, group in groupby(picked, key=lambda trajectory: trajectory.origin.file):
        # A file that fails here fails again in its part, which leaves it out and says why.
        with suppress(SourceError), find(recipe.source).open_file(places[path], recipe) as opened:
            for trajectory in group:
                _sample(squares, recipe, schema, opened, trajectory)
    return {f.name: _power(squares[f.name]) if f.power is None else f.power for f in recipe.fields}


def _sample(
    squares: dict[str, list[float]], recipe: Recipe, schema: Schema, opened: OpenFile, trajectory: Trajectory
) -> None:
    """Adds the first, middle and last frame, and the constant fields."""
    row = trajectory.origin.row
    for frame in sorted({0, trajectory.frames // 2, trajectory.frames - 1}):
        _add_squares(squares, recipe.variable, schema, opened.frames(row, frame, frame + 1)[0])
    _add_squares(squares, recipe.constant, schema, opened.static(row))


def _add_squares(
    squares: dict[str, list[float]], fields: tuple[RecipeField, ...], schema: Schema, values: Frames
) -> None:
    start = 0
    for field in fields:
        stop = start + len(field.spec.components(schema.grid.axes))
        # One k for all components, or the frame of a vector is distorted.
        with np.errstate(over="ignore", invalid="ignore"):
            squares[field.name].append(float(np.mean(np.square(values[start:stop], dtype=np.float64))))
        start = stop


def _power(squares: list[float]) -> int:
    finite = [value for value in squares if math.isfinite(value)]
    mean = sum(finite) / len(finite) if finite else 0.0
    return round(math.log2(math.sqrt(mean))) if mean > 0 else 0


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
    )


def _parts(plan: Plan, trajectories: list[Trajectory]) -> tuple[Part, ...]:
    """Consecutive trajectories of one split up to the part's size; a zarr part keeps to one file."""
    terms = _terms(plan)
    prints = {file.path: [file.bytes, file.modified, file.digest] for file in plan.inputs}
    parts: list[Part] = []
    for split in SPLITS:
        chosen = [t for t in trajectories if t.split == split]
        for number, group in enumerate(_groups(plan.schema, plan.packaging, chosen)):
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
