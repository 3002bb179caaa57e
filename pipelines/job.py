"""A training run as plain values: what its ranks need, what its checkpoints belong to, has it finished."""

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
    """All that a rank needs, as values that can be sent to another process.

    - `run`: the folder of the run; `base`: that of the model to fine-tune.
    - `stop_at`: a step before the end of the schedule at which the run ends.
    - `allow`: parts that may differ when a stopped run resumes (walrus.training.resume.PARTS).
    - `trace`: the folder for a profile of a few steps.
    - `groups`: number of sharding groups; None: as many as the engine implies.
    - `keep_state`: keep the last checkpoints when the run has finished.
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
    """Whether the folder holds the finished model of this recipe.

    The recipes may differ in settings that do not change the numbers. Raises MismatchError if the folder
    holds another run, which this one cannot continue.
    """
    if not has_this_recipe(job):
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


def has_this_recipe(job: Job) -> bool:
    """Whether the folder of the run holds exactly this recipe."""
    recipe = job.run / RECIPE
    return recipe.is_file() and recipe.read_text(encoding="utf-8") == recipe_toml(job.recipe)


def write_recipe(job: Job) -> None:
    """Writes the recipe into the folder of the run, unless it is there already."""
    if not has_this_recipe(job):
        job.run.mkdir(parents=True, exist_ok=True)
        write_atomically(job.run / RECIPE, recipe_toml(job.recipe).encode())


def recipe_toml(recipe: RunRecipe) -> str:
    """The recipe with all its defaults, as TOML."""
    return dump_toml(asdict(recipe))


def identity(job: Job, shards: Shards) -> Identity:
    """What a checkpoint of this job belongs to: the data, and the settings that the numbers depend on."""
    recipe = job.recipe
    stream = TypeAdapter(StreamSettings).dump_python(recipe.stream, mode="json")
    windows = {
        name: recipe.stream.windows(dataset.card.schema, cost_of(job.model))
        for name, dataset in shards.datasets.items()
    }
    # Weights that are not trained are in no checkpoint: they must come from the same base model.
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
    """Opens the datasets of the recipe; raises ShardError if one is not built."""
    return Shards.open(job.root, [choice.name for choice in job.recipe.datasets], job.recipe.reading)
