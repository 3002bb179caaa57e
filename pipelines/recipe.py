"""What a run is: one TOML file, one frozen dataclass; the resolved one is saved with the run."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field, TypeAdapter
from pydantic.dataclasses import dataclass

from shards.errors import SettingsError
from shards.settings import make, override, read_toml
from shards.spec import STRICT, AtLeastOne
from walrus.engine import EngineSettings
from walrus.model.settings import PRESETS, ModelSettings
from walrus.plan import StreamSettings
from walrus.schedule import ScheduleSettings
from walrus.train import TrainSettings


@dataclass(frozen=True, config=STRICT)
class DatasetChoice:
    """A dataset of the run: a name of the catalogue or a recipe.toml, and how often it comes in a cycle of tasks.

    `path` is where its source files lie, relative to the current folder; without it the dataset must be built
    already. `set` overrides keys of its recipe.
    """

    name: str
    path: str = ""
    weight: AtLeastOne = 1
    set: tuple[str, ...] = ()


@dataclass(frozen=True, config=STRICT)
class EvaluationSettings:
    """Test forecasts: `start` is the first predicted frame of a rollout (the published choice is 17)."""

    start: AtLeastOne = 17
    longest: AtLeastOne = 60


@dataclass(frozen=True, config=STRICT)
class RunRecipe:
    """A pretraining or fine-tuning run.

    `model` is a preset and `size` overrides single settings of it; or `base` is the folder of a trained model to
    go on from.
    """

    title: str
    datasets: tuple[DatasetChoice, ...]
    model: str = "walrus"
    size: dict[str, Any] = Field(default_factory=dict)
    base: str = ""
    stream: StreamSettings = StreamSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    engine: EngineSettings = EngineSettings()
    training: TrainSettings = TrainSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @property
    def model_settings(self) -> ModelSettings:
        if self.model not in PRESETS:
            raise SettingsError(f"model {self.model}: no such preset; there is {', '.join(PRESETS)}")
        preset = TypeAdapter(ModelSettings).dump_python(PRESETS[self.model])
        return make(ModelSettings, {**preset, **self.size}, "size")


def run_recipes() -> dict[str, Path]:
    """Name to file of the recipes that the package brings."""
    folder = resources.files("pipelines") / "recipes"
    names = sorted(str(entry) for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return {Path(name).stem: Path(name) for name in names}


def find_run_recipe(name_or_path: str, assignments: tuple[str, ...] = ()) -> RunRecipe:
    """The recipe of a name or of a TOML file; raises SettingsError with what there is."""
    known = run_recipes()
    path = Path(name_or_path) if name_or_path.endswith(".toml") else known.get(name_or_path)
    if path is None:
        raise SettingsError(f"no run recipe named {name_or_path}; there is {', '.join(known)}; or name a file .toml")
    return make(RunRecipe, override(read_toml(path), assignments), str(path))
