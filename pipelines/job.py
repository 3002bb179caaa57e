"""A training run as plain values: its recipe and folder, what it belongs to, and whether it is finished."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from pipelines.recipe import RunRecipe
from shards.disk import write_atomically
from shards.errors import MismatchError
from shards.program.settings import dump_toml
from shards.remote import Root
from shards.verify import file_crc32c
from walrus.checkpoint import DESCRIPTION, WEIGHTS, load_description
from walrus.model.cost import cost_of
from walrus.model.settings import ModelSettings
from walrus.reading.plan import StreamSettings
from walrus.reading.stream import Shards
from walrus.training.early_stopping import EarlyStoppingSettings, is_done
from walrus.training.resume import last_checkpoint
from walrus.training.run_checkpoint import Identity
from walrus.training.schedule import ScheduleSettings
from walrus.training.tuning import TuningSettings

RECIPE = "recipe.toml"


@dataclass(frozen=True)
class Job:
    """All that a rank needs, as plain values that cross a process border.

    `allow` names the parts of a stopped run that may differ when it resumes (walrus.training.resume.PARTS).
    `trace` is the folder for a look inside a few steps, `groups` the sharding groups: left out, as many as
    the engine implies. `keep_state` keeps the last checkpoints of a run that has come to its end.
    """

    recipe: RunRecipe
    model: ModelSettings
    vocabulary: tuple[str, ...]
    root: Root
    run: Path
    ranks: int
    base: Path | None = None
    stop_at: int | None = None
    allow: tuple[str, ...] = ()
    trace: Path | None = None
    groups: int | None = None
    keep_state: bool = False


def is_finished(job: Job) -> bool:
    """Whether the run's model exists, made by this recipe, but for what changes none of its numbers.

    Raises MismatchError where the folder holds a run that this one cannot go on from.
    """
    if not is_recipe_kept(job):
        saved, changes = last_checkpoint(job.run, identity(job, open_shards(job)), job.allow)
        if saved is None and (job.run / DESCRIPTION).is_file():
            raise MismatchError(
                f"{job.run}: holds a run of another recipe; give another --out, or remove the folder"
            )
        if changes:
            return False
    if not (job.run / DESCRIPTION).is_file():
        return False
    steps = job.recipe.schedule.steps
    return load_description(job.run).step == steps or is_done(job.run, job.recipe.early_stopping, steps)


def is_recipe_kept(job: Job) -> bool:
    """Whether the folder of the run holds exactly this recipe."""
    recipe = job.run / RECIPE
    return recipe.is_file() and recipe.read_text(encoding="utf-8") == resolved(job.recipe)


def keep_recipe(job: Job) -> None:
    """Writes the recipe into the folder of the run, unless it is there."""
    if not is_recipe_kept(job):
        job.run.mkdir(parents=True, exist_ok=True)
        write_atomically(job.run / RECIPE, resolved(job.recipe).encode())


def resolved(recipe: RunRecipe) -> str:
    """The recipe as it was understood, as TOML."""
    return dump_toml(asdict(recipe))


def identity(job: Job, shards: Shards) -> Identity:
    """What a checkpoint of this job belongs to: its data, and the settings that its numbers depend on."""
    recipe = job.recipe
    stream = TypeAdapter(StreamSettings).dump_python(recipe.stream, mode="json")
    windows = {
        name: recipe.stream.windows(dataset.card.schema, cost_of(job.model))
        for name, dataset in shards.datasets.items()
    }
    # Weights that rest are in no checkpoint: they must be those of the same base model.
    base = f"{file_crc32c(job.base / WEIGHTS):08x}" if job.base is not None else ""
    return {
        "data": dict(shards.fingerprints),
        "plan": {"datasets": recipe.weights, "windows": windows, **stream},
        "schedule": TypeAdapter(ScheduleSettings).dump_python(recipe.schedule, mode="json"),
        "engine": recipe.engine.identity,
        "training": {
            **recipe.training.identity,
            **recipe.rollout.identity,
            **TypeAdapter(TuningSettings).dump_python(recipe.tuning, mode="json"),
            "early_stopping": TypeAdapter(EarlyStoppingSettings).dump_python(
                recipe.early_stopping, mode="json"
            ),
        },
        "model": {**job.model.identity, "vocabulary": list(job.vocabulary), "base": base},
    }


def open_shards(job: Job) -> Shards:
    """The datasets of the recipe."""
    return Shards.open(job.root, [choice.name for choice in job.recipe.datasets], job.recipe.reading)
