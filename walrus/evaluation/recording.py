"""What pictures need of a rollout: truth, forecast and error as images, recorded while the frames pass.

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
    """What is filmed: a trajectory of a task, the names of its channels, its grid, and True inside a solid."""

    task: str
    trajectory: str
    channels: tuple[str, ...]
    grid: Grid
    boundaries: tuple[Sides, ...]
    solid_S: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RolloutStep:
    """One step of a rollout: its number (from 1), its time, both frames [C, *S] and the VRMSE [C] of the forecast."""

    step: int
    time: float
    truth_CS: Frames
    forecast_CS: Frames
    error_C: Errors


@dataclass(frozen=True, eq=False)
class Recording:
    """Some steps and channels of a rollout, seen through each of `views`: one `images_ITCVU` a view.

    A cell inside a solid is not a number.
    """

    scene: RolloutFacts
    channels: tuple[str, ...]
    steps: tuple[int, ...]
    time_T: npt.NDArray[np.float64]
    error_TC: Errors
    views: tuple[View, ...]
    images_ITCVU: tuple[npt.NDArray[np.float32], ...]

    def row(self, channel: str) -> int:
        """The place of a channel; raises MismatchError for one that was not filmed."""
        if channel not in self.channels:
            raise MismatchError(f"{self.scene.task}: no channel {channel!r}, expected one of {self.channels}")
        return self.channels.index(channel)


def record(
    scene: RolloutFacts, shots: Iterable[RolloutStep], steps: Sequence[int], channels: Sequence[str]
) -> Recording:
    """Films these steps and channels; frames are let go as soon as their images are taken."""
    views = views_of(scene.grid, scene.boundaries)
    rows = [scene.channels.index(channel) for channel in channels]
    seen, images = [], []
    for shot in shots:
        if shot.step in steps:
            seen.append((shot.step, shot.time, shot.error_C[rows]))
            images.append(_images(scene, shot, rows, views))
    return Recording(
        scene,
        tuple(channels),
        tuple(step for step, _, _ in seen),
        np.array([time for _, time, _ in seen]),
        np.stack([error for _, _, error in seen]),
        views,
        tuple(np.stack(each, 1) for each in zip(*images, strict=True)),
    )


def _images(
    scene: RolloutFacts, shot: RolloutStep, rows: Sequence[int], views: Sequence[View]
) -> tuple[npt.NDArray[np.float32], ...]:
    """[I, C, V, U] for each view."""
    solid = np.where(scene.solid_S, np.nan, 0.0)
    truth, forecast = shot.truth_CS[rows] + solid, shot.forecast_CS[rows] + solid
    # A forecast that diverged may exceed float32.
    with np.errstate(over="ignore", invalid="ignore"):
        fields = (truth, forecast, forecast - truth)
        return tuple(
            np.array([[view.image(field) for field in field_CS] for field_CS in fields]).astype(np.float32)
            for view in views
        )
