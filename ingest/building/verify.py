"""Compares shards with their source files: bit for bit, or within the error that the card declares."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import numpy as np

from ingest.building.inputs import find_inputs
from ingest.building.memory import SLAB_BYTES
from ingest.building.part_record import PartRecord
from ingest.building.plan import BuildPlan, Part
from ingest.recipe import Recipe
from ingest.source import OpenFile, find
from shards.card import Card
from shards.errors import SourceError
from shards.index import Entry
from shards.program.settings import make, parse_toml
from shards.read import Dataset
from shards.schema import Frames


def source_faults(dataset: Dataset, start: Path) -> Iterator[str]:
    """Yields one sentence for each difference between a dataset and its source files.

    Differences are trajectories that differ by more than the card declares, and files with trajectories that
    are neither in the dataset nor left out by its card.
    """
    recipe = _recipe_of(dataset)
    places = {file.path: file.place for file in find_inputs(recipe, start)}
    origins = {entry: dataset.document(entry).trajectory.origin for entry in dataset.index.trajectories}
    for path, group in groupby(dataset.index.trajectories, key=lambda entry: origins[entry].file):
        if path not in places:
            yield f"{path}: is not below {start}"
            continue
        try:
            with find(recipe.source).open_file(places[path], recipe) as opened:
                for entry in group:
                    yield from _entry_faults(dataset, entry, opened, origins[entry].row, places[path])
        except SourceError as error:
            yield str(error)
    known = {*(origin.file for origin in origins.values()), *(each.path for each in dataset.card.quarantine)}
    for path, place in places.items():
        if path not in known and recipe.excluded(place) is None:
            yield from _fault_of_unknown(recipe, path, place)


def _fault_of_unknown(recipe: Recipe, path: str, place: Path) -> Iterator[str]:
    """That a file is not in the dataset, unless the recipe leaves it out, or it holds nothing."""
    try:
        with find(recipe.source).open_file(place, recipe) as opened:
            if opened.rows:
                yield (
                    f"{path}: fits the recipe, and is neither in the dataset nor left out by its card; add "
                    "it by walrus-ingest append, or build again"
                )
    except SourceError as error:
        yield str(error)


def _recipe_of(dataset: Dataset) -> Recipe:
    """The recipe from which the dataset was built."""
    where = dataset.files.where("recipe.toml")
    return make(Recipe, parse_toml(dataset.files.read("recipe.toml"), where), where)


def is_same(plan: BuildPlan, part: Part, record: PartRecord, folder: Path) -> bool:
    """Whether the files of a part still hold the same as its shards. Reads everything, writes nothing."""
    if not (folder / "index.json").is_file():
        return False

    dataset = Dataset(folder)
    entries = {entry.key: entry for entry in record.entries}
    indexed = {entry.key: entry for entry in dataset.entries(part.split)}
    if record.quarantine or any(indexed.get(key) != entry for key, entry in entries.items()):
        return False

    for path, group in groupby(part.trajectories, key=lambda trajectory: trajectory.origin.file):
        place = plan.input(path).place
        try:
            with find(plan.recipe.source).open_file(place, plan.recipe) as opened:
                for trajectory in group:
                    entry, row = entries[trajectory.key], trajectory.origin.row
                    if any(_entry_faults(dataset, entry, opened, row, place)):
                        return False
        except SourceError:
            return False

    return True


def _entry_faults(dataset: Dataset, entry: Entry, opened: OpenFile, row: int, place: Path) -> Iterator[str]:
    """One sentence for each part of a trajectory that differs from this row of its source file."""
    where = f"{place}, row {row} ({entry.split}/{entry.key})"
    if not 0 <= row < len(opened.rows) or len(opened.rows[row].time) != entry.frames:
        yield f"{where}: the file does not hold these {entry.frames} frames any more"
        return

    schema, document = dataset.card.schema, dataset.document(entry)
    if (
        opened.rows[row].time != document.trajectory.time
        or opened.rows[row].scalars != document.trajectory.scalars
    ):
        yield f"{where}: times or parameters differ"

    if not np.array_equal(opened.boundary(row), dataset.boundary(entry)):
        yield f"{where}: the boundary mask differs"
    constants, static = opened.static(row), dataset.static(entry) * document.column(document.static_scale)
    # The dataset may store float64 as float32 only if that is exact.
    if not _same_bits(static.astype(constants.dtype, copy=False), constants):
        yield f"{where}: a constant field differs"

    step = max(1, SLAB_BYTES // schema.frame_bytes)
    scale = document.column(document.scale)
    for start in range(0, entry.frames, step):
        stop = min(start + step, entry.frames)
        stored = np.empty((stop - start, *schema.frame_shape), schema.dtype)
        dataset.read_frames(entry, range(start, stop), stored)
        if not _agree(stored * scale, opened.frames(row, start, stop), dataset.card):
            beyond = " by more than the error on the card" if dataset.card.errors else ""
            yield f"{where}: frames {start} to {stop - 1} differ{beyond}"


def _agree(found: Frames, source: Frames, card: Card) -> bool:
    """Whether frames [T, C, *S] are equal, or within the error that the card allows for each field."""
    if not card.errors:
        return _same_bits(found, source)
    allowed = [error.allowed for error in card.schema.per_channel(card.errors)]
    errors = np.abs(np.subtract(found, source, dtype=np.float64)).max(axis=(0, *range(2, found.ndim)))
    return bool((errors <= allowed).all())


def _same_bits(a: Frames, b: Frames) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
