"""Published scores of a dataset, to show next to our own; they are of the full test set."""

from __future__ import annotations

from dataclasses import field
from functools import cache
from importlib import resources
from pathlib import Path

from shards.program.settings import load
from shards.schema import checked
from walrus.evaluation.scores import ONE_STEP

CAPTION = "published, on the full test set"

# The windows of tables 1 and 8: of the pretraining datasets, and of the downstream ones.
REPORTED = {1: (ONE_STEP, "1:20", "21:60"), 8: (ONE_STEP, "1:10", "11:30")}


@checked
class Jitter:
    """VRMSE of the pretrained model over whole trajectories, with patch jitter and without."""

    on: float
    off: float


@checked
class PublishedScores:
    """Median VRMSE of a dataset by window and model; `table` is that of the paper."""

    table: int
    vrmse: dict[str, dict[str, float]]
    jitter: Jitter | None = None


@checked
class _ScoresFile:
    source: str
    datasets: dict[str, PublishedScores] = field(default_factory=dict)


def published_scores(dataset: str) -> PublishedScores | None:
    """The published figures of one dataset of the catalogue; None where there are none."""
    return _file().datasets.get(dataset)


def reported_windows(dataset: str) -> tuple[str, ...]:
    """The windows that the paper gives for a dataset; for others, those of its pretraining datasets."""
    published = published_scores(dataset)
    return REPORTED[1 if published is None else published.table]


def source() -> str:
    """Where the figures are published."""
    return _file().source


@cache
def _file() -> _ScoresFile:
    return load(_ScoresFile, Path(str(resources.files("walrus.evaluation") / "published_scores.toml")))
