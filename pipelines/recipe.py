"""The recipe of a run: a TOML file, which is read into one dataclass."""

from __future__ import annotations

import warnings
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter, model_validator

from shards.errors import RenamedWarning, SettingsError
from shards.program.settings import make, named_file, override, read_toml
from shards.schema import AtLeastOne, checked
from walrus.evaluation.forecast_protocol import EvaluationSettings
from walrus.model.settings import PRESETS, ModelSettings
from walrus.reading.plan import StreamSettings
from walrus.reading.reader import ReadSettings
from walrus.training.early_stopping import EarlyStoppingSettings
from walrus.training.engine_settings import EngineSettings
from walrus.training.rollout_training import RolloutSettings
from walrus.training.schedule import ScheduleSettings
from walrus.training.train import TrainSettings
from walrus.training.tuning import TuningSettings

# Old name to new name of a table.
RENAMED_TABLES = {"watch": "early_stopping"}


@checked
class DatasetChoice:
    """A dataset of the run: its name below ROOT, and how often it comes in a cycle of tasks (`weight`).

    `path` is the folder of its source files, relative to the current folder; without it, the dataset must be
    built already. It is built by the recipe of this name in the catalogue, or by the file `recipe`; `set`
    overrides keys of it, as `--set` does.
    """

    name: str
    path: str = ""
    weight: AtLeastOne = 1
    recipe: str = ""
    set: tuple[str, ...] = ()


@checked
class RunRecipe:
    """A pretraining or fine-tuning run.

    Pretraining: `model` is a preset, and `size` overrides single settings of it. Fine-tuning: `base` is the
    folder of a trained model, which is prepared as `tuning` says. `early_stopping` ends a run that no longer
    gets better.
    """

    title: str
    datasets: tuple[DatasetChoice, ...]
    model: str = "walrus"
    size: dict[str, Any] = Field(default_factory=dict)
    base: str = ""
    stream: StreamSettings = StreamSettings()
    reading: ReadSettings = ReadSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    engine: EngineSettings = EngineSettings()
    training: TrainSettings = TrainSettings()
    rollout: RolloutSettings = RolloutSettings()
    tuning: TuningSettings = TuningSettings()
    early_stopping: EarlyStoppingSettings = EarlyStoppingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="after")
    def _possible(self) -> RunRecipe:
        """Refuse settings that exclude each other, and a dataset that is named twice."""
        if self.engine.ema and self.early_stopping.every:
            raise ValueError(
                "early_stopping scores the weights, not their average: "
                "set early_stopping.every or engine.ema to 0"
            )
        names = [choice.name for choice in self.datasets]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"datasets has {', '.join(twice)} twice; raise its weight instead")
        return self

    @property
    def weights(self) -> dict[str, int]:
        """How often each dataset comes in a cycle of tasks."""
        return {choice.name: choice.weight for choice in self.datasets}

    @property
    def model_settings(self) -> ModelSettings:
        """The settings of the network; raises SettingsError for an unknown preset."""
        if self.model not in PRESETS:
            raise SettingsError(f"model {self.model}: no such preset; expected one of {', '.join(PRESETS)}")
        preset = TypeAdapter(ModelSettings).dump_python(PRESETS[self.model])
        return make(ModelSettings, {**preset, **self.size}, "size")


def run_recipes() -> dict[str, Path]:
    """Name to file, for the recipes of this package."""
    folder = resources.files("pipelines") / "recipes"
    names = sorted(str(entry) for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {Path(name).stem: Path(name) for name in names}


def find_run_recipe(name_or_path: str, assignments: tuple[str, ...] = ()) -> RunRecipe:
    """The recipe with this name, or in this TOML file; raises SettingsError, which lists the known names."""
    path = named_file(name_or_path, run_recipes(), "run recipe")
    return make(RunRecipe, _with_todays_tables(override(read_toml(path), assignments), path), str(path))


def _with_todays_tables(tables: dict[str, Any], path: Path) -> dict[str, Any]:
    """The recipe with each renamed table under its new name; warns about the old one."""
    today = dict(tables)
    for old, new in RENAMED_TABLES.items():
        found = today.pop(old, None)
        if isinstance(found, dict):
            warnings.warn(f"{path}: [{old}] is now called [{new}]", RenamedWarning, stacklevel=3)
            today[new] = {**today.get(new, {}), **found}
        elif found is not None:
            raise SettingsError(f"{path}: {old} is a value; expected a table [{new}]")
    return today
