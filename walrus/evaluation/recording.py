"""Record a rollout for pictures: truth, forecast and error as images, taken while it is forecast.

Axes: I image (truth, forecast, error: the order of `IMAGES`), T recorded steps, C channel, S space; U V the
horizontal and the vertical axis of an image.
"""

from __future__ import annotations

import math
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
    units: tuple[str, ...] = ()
    time_unit: str = ""

    def unit(self, channel: str) -> str:
        """The unit of a channel in the words of its source; empty where that has none."""
        return self.units[self.channels.index(channel)] if self.units else ""

    @property
    def is_volume(self) -> bool:
        """Whether a picture shows less than what is scored."""
        return sum(size > 1 for size in self.grid.shape) == 3


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


@dataclass(frozen=True, eq=False)
class RecordingRequest:
    """What to record of a rollout: steps (from 1), channels, and the views of each frame."""

    steps: Sequence[int]
    channels: Sequence[str]
    views: tuple[View, ...]


def record(
    facts: RolloutFacts, rollout: Iterable[RolloutStep], steps: Sequence[int], channels: Sequence[str]
) -> Recording:
    """Record these steps and channels in the views of the whole grid."""
    (recording,) = record_each(
        facts, rollout, [RecordingRequest(steps, channels, views_of(facts.grid, facts.boundaries))]
    )
    return recording


def record_each(
    facts: RolloutFacts, rollout: Iterable[RolloutStep], wanted: Sequence[RecordingRequest]
) -> list[Recording]:
    """One recording for each of `wanted`, from one rollout; of each frame only its images are kept."""
    taken: list[list[_RecordedStep]] = [[] for _ in wanted]
    for current in rollout:
        for each, so_far in zip(wanted, taken, strict=True):
            if current.step in each.steps:
                rows = [facts.channels.index(channel) for channel in each.channels]
                images = _images(facts, current, rows, each.views)
                so_far.append(_RecordedStep(current.step, current.time, current.error_C[rows], images))
    return [_recording(facts, each, so_far) for each, so_far in zip(wanted, taken, strict=True)]


@dataclass(frozen=True, eq=False)
class _RecordedStep:
    """One recorded step: number, time, VRMSE [C], and the images [I, C, V, U] of each view."""

    step: int
    time: float
    error_C: Errors
    images: tuple[npt.NDArray[np.float32], ...]


def _recording(facts: RolloutFacts, wanted: RecordingRequest, taken: Sequence[_RecordedStep]) -> Recording:
    return Recording(
        facts,
        tuple(wanted.channels),
        tuple(each.step for each in taken),
        np.array([each.time for each in taken]),
        np.stack([each.error_C for each in taken]),
        wanted.views,
        tuple(np.stack(images, 1) for images in zip(*(each.images for each in taken), strict=True)),
    )


def error_words(recording: Recording, index: int, row: int) -> str:
    """The VRMSE of a channel at a recorded step; of a volume that is more than a picture shows."""
    error = float(recording.error_TC[index, row])
    if math.isnan(error):
        return "uniform in space"
    if not math.isfinite(error):
        return "diverged"
    return f"VRMSE {'of the volume ' if recording.facts.is_volume else ''}{error:#.3g}"


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
