"""Facts about the datasets of a recipe: from shards, from source files, or from the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ingest.building.plan import plan_build
from ingest.catalogue import find_recipe
from ingest.recipe import Recipe
from pipelines.recipe import DatasetChoice, RunRecipe
from shards.errors import SettingsError
from shards.remote import Root, is_remote, open_dataset
from shards.schema import Boundary, Grid, Schema
from walrus.model.cost import cost_of
from walrus.model.settings import ModelSettings
from walrus.reading.plan import StreamPlan, make_task
from walrus.reading.stream import trajectories

KnownFrom = Literal["shards", "sources", "catalogue"]


@dataclass(frozen=True)
class DatasetFacts:
    """The schema of a dataset, and the frames and the shard of each training trajectory.

    `origin` says where these facts are from.
    """

    schema: Schema
    frames: tuple[int, ...]
    shards: tuple[int, ...]
    origin: KnownFrom


def facts_of(choice: DatasetChoice, root: Root) -> DatasetFacts:
    """Facts from the shards if they are built, otherwise from the source files, otherwise from the catalogue.

    Raises SettingsError if none of them has enough.
    """
    if is_remote(root) or (Path(root) / choice.name / "index.json").is_file():
        dataset = open_dataset(root, choice.name)
        frames, numbers = trajectories(dataset)
        return DatasetFacts(dataset.card.schema, tuple(frames), tuple(numbers), "shards")
    recipe = find_recipe(choice.recipe or choice.name, choice.set)
    if choice.path and Path(choice.path).exists():
        plan = plan_build(recipe, Path(choice.path), "zarr", "lz4")
        counts = [each.frames for part in plan.parts if part.split == "train" for each in part.trajectories]
        return DatasetFacts(plan.schema, tuple(counts), tuple(range(len(counts))), "sources")
    return published(recipe)


def published(recipe: Recipe) -> DatasetFacts:
    """Facts from a recipe of the catalogue; sides for which it gives no boundary count as open."""
    expected = recipe.expected
    if not (expected.grid and expected.frames and expected.trajectories):
        raise SettingsError(f"{recipe.name}: the catalogue does not know its size; build it first")
    grid = Grid(recipe.axes, tuple(tuple(map(float, range(size))) for size in expected.grid), recipe.kind)
    sides = tuple(recipe.sides(axis) or (Boundary.OPEN, Boundary.OPEN) for axis in recipe.axes)
    schema = Schema(tuple(field.spec for field in recipe.fields), grid, sides)
    count = max(1, round(expected.trajectories * recipe.shares.train))
    return DatasetFacts(schema, (expected.frames,) * count, tuple(range(count)), "catalogue")


def plan_of(recipe: RunRecipe, known: dict[str, DatasetFacts], model: ModelSettings) -> StreamPlan:
    """The plan of a run on these datasets."""
    tasks = [
        make_task(
            choice.name,
            choice.weight,
            known[choice.name].schema,
            known[choice.name].frames,
            known[choice.name].shards,
            recipe.stream,
            cost_of(model),
            recipe.rollout.steps,
        )
        for choice in recipe.datasets
    ]
    return StreamPlan(tuple(tasks), recipe.training.seed, recipe.stream.micro_batches)
