"""What others published on a dataset, to be read beside one's own scores: their test set is the full one."""

from __future__ import annotations

from dataclasses import field
from functools import cache
from importlib import resources
from pathlib import Path

from pydantic.dataclasses import dataclass

from shards.settings import load
from shards.spec import STRICT

CAPTION = "published, on the full test set"


@dataclass(frozen=True, config=STRICT)
class Jitter:
    """VRMSE of the pretrained model over whole trajectories, with patch jitter and without."""

    on: float
    off: float


@dataclass(frozen=True, config=STRICT)
class PublishedScores:
    """Median VRMSE of a dataset by window and model; `table` is that of the paper."""

    table: int
    vrmse: dict[str, dict[str, float]]
    jitter: Jitter | None = None


@dataclass(frozen=True, config=STRICT)
class _File:
    source: str
    datasets: dict[str, PublishedScores] = field(default_factory=dict)


def published_scores(dataset: str) -> PublishedScores | None:
    """The published figures of one dataset of the catalogue; None where there are none."""
    return _file().datasets.get(dataset)


def source() -> str:
    """Where the figures stand."""
    return _file().source


@cache
def _file() -> _File:
    return load(_File, Path(str(resources.files("walrus.judging") / "published_scores.toml")))
