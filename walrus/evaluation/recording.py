"""Record a rollout for pictures: truth, forecast and error as images, taken while it is forecast.

Axes: I image (truth, forecast, error: the order of `IMAGES`), T recorded steps, C channel, S space; U V the
horizontal and the vertical axis of an image.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shards.drawing.plane import View, views_of
from shards.errors import MismatchError
from shards.schema import Frames, Grid, Sides
from walrus.evaluation.scores import Errors

IMAGES = ("truth", "forecast", "error")


@dataclass(frozen=True)
class RolloutFacts:
    """Facts of a recorded trajectory: task, names of the channels, grid, and True inside a solid."""

    task: str
    trajectory: str
    channels: tuple[str, ...]
    grid: Grid
    boundaries: tuple[Sides, ...]
    solid_S: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RolloutStep:
    """One step of a rollout: number (from 1), time, both frames [C, *S], and VRMSE [C] of the forecast."""

    step: int
    time: float
    truth_CS: Frames
    forecast_CS: Frames
    error_C: Errors


@dataclass(frozen=True, eq=False)
class Recording:
    """Some steps and channels of a rollout, with one `images_ITCVU` for each of `views`.

    A cell inside a solid is NaN.
    """

    facts: RolloutFacts
    channels: tuple[str, ...]
    steps: tuple[int, ...]
    time_T: npt.NDArray[np.float64]
    error_TC: Errors
    views: tuple[View, ...]
    images_ITCVU: tuple[npt.NDArray[np.float32], ...]

    def row(self, channel: str) -> int:
        """The row of a channel; raises MismatchError for one that was not recorded."""
        if channel not in self.channels:
            raise MismatchError(
                f"{self.facts.task}: found no recorded channel {channel!r}; expected one of {self.channels}; "
                "name one of these, or record it"
            )
        return self.channels.index(channel)


def record(
    facts: RolloutFacts, rollout: Iterable[RolloutStep], steps: Sequence[int], channels: Sequence[str]
) -> Recording:
    """Record these steps and channels; a frame is dropped as soon as its images are taken."""
    views = views_of(facts.grid, facts.boundaries)
    rows = [facts.channels.index(channel) for channel in channels]
    seen, images = [], []
    for current in rollout:
        if current.step in steps:
            seen.append((current.step, current.time, current.error_C[rows]))
            images.append(_images(facts, current, rows, views))
    return Recording(
        facts,
        tuple(channels),
        tuple(step for step, _, _ in seen),
        np.array([time for _, time, _ in seen]),
        np.stack([error for _, _, error in seen]),
        views,
        tuple(np.stack(each, 1) for each in zip(*images, strict=True)),
    )


def _images(
    facts: RolloutFacts, current: RolloutStep, rows: Sequence[int], views: Sequence[View]
) -> tuple[npt.NDArray[np.float32], ...]:
    """[I, C, V, U] for each view."""
    solid = np.where(facts.solid_S, np.nan, 0.0)
    truth_CS, forecast_CS = current.truth_CS[rows] + solid, current.forecast_CS[rows] + solid
    # A forecast that diverged may exceed float32.
    with np.errstate(over="ignore", invalid="ignore"):
        fields_ICS = np.stack([truth_CS, forecast_CS, forecast_CS - truth_CS])
        return tuple(_seen_through(view, fields_ICS) for view in views)


def _seen_through(view: View, fields_ICS: Frames) -> npt.NDArray[np.float32]:
    """The images [I, C, V, U] of all fields in one view."""
    images = [view.image(field_S) for field_S in fields_ICS.reshape(-1, *fields_ICS.shape[2:])]
    stacked = np.stack(images).astype(np.float32)
    return stacked.reshape(*fields_ICS.shape[:2], *stacked.shape[1:])
