"""A rollout beside its truth, the two forecasts anybody can make, and the score of all three.

Axes: F forecaster (model, persistence, linear: the order of `FORECASTERS`), T frames of a rollout, K frames
forecast one step ahead, C channel, S space. numpy in physical units; the errors are VRMSE (walrus.metrics).

A trajectory is reduced to two small arrays as soon as it is done, and a task to three scores:

    one_step = one_step_errors(frames_TCS, forecast_KCS)     # [F, K, C]
    rollout = rollout_errors(forecast)                        # [F, T, C]
    model, persistence, linear = scores(task, channels, one_steps, rollouts)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from shards.errors import MismatchError
from shards.spec import Frames, Grid, Sides
from walrus.metrics import vrmse

Errors = npt.NDArray[np.float64]
Forecaster = Literal["model", "persistence", "linear"]

FORECASTERS: tuple[Forecaster, ...] = get_args(Forecaster)
# First and last rollout step of the published windows, counted from 1.
WINDOWS = ((1, 20), (21, 60))
LOOKBACK = 2


@dataclass(frozen=True, eq=False)
class Forecast:
    """One rollout of one trajectory.

    `history_TCS` holds the frames before the first forecast one (at least two), `truth_TCS` and
    `forecast_TCS` the T frames that follow, `time_T` their times; `obstacle_S` is True inside a solid. `grid`
    names the axes and places the cells, `boundaries` closes each axis (lower, upper).
    Raises MismatchError when these do not fit together.
    """

    task: str
    trajectory: str
    channels: tuple[str, ...]
    grid: Grid
    boundaries: tuple[Sides, ...]
    time_T: npt.NDArray[np.floating]
    history_TCS: Frames
    truth_TCS: Frames
    forecast_TCS: Frames
    obstacle_S: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        frame = (len(self.channels), *self.grid.shape)
        expected = (len(self.time_T), *frame)
        for name, found in (("truth", self.truth_TCS.shape), ("forecast", self.forecast_TCS.shape)):
            if found != expected:
                raise MismatchError(f"{self._where}: the {name} has shape {found}, expected {expected}")
        if self.history_TCS.shape[1:] != frame or len(self.history_TCS) < LOOKBACK:
            raise MismatchError(
                f"{self._where}: the history has shape {self.history_TCS.shape}, expected at least "
                f"{LOOKBACK} frames of shape {frame}"
            )
        if self.obstacle_S is not None and self.obstacle_S.shape != self.grid.shape:
            raise MismatchError(
                f"{self._where}: the obstacle has shape {self.obstacle_S.shape}, expected {self.grid.shape}"
            )

    @property
    def _where(self) -> str:
        return f"forecast of {self.task}/{self.trajectory}"


@dataclass(frozen=True)
class WindowScore:
    """VRMSE [C] of a rollout over the steps `first` to `last` (counted from 1): mean over steps, median over
    trajectories."""

    first: int
    last: int
    value_C: tuple[float, ...]
    value: float


@dataclass(frozen=True)
class Score:
    """How well one forecaster does on one task, in VRMSE: smaller is better, about 1 is a constant field.

    `one_step_C` is the mean over trajectories and frames, `one_step` over channels too. `windows` are those
    that the trajectories reach.
    """

    task: str
    forecaster: Forecaster
    channels: tuple[str, ...]
    trajectories: int
    one_step_C: tuple[float, ...]
    windows: tuple[WindowScore, ...]

    @property
    def one_step(self) -> float:
        return float(np.mean(self.one_step_C))


def persistence(forecast: Forecast) -> Frames:
    """The last known frame, again and again: [T, C, *S]."""
    return np.broadcast_to(forecast.history_TCS[-1], forecast.truth_TCS.shape)


def linear(forecast: Forecast) -> Frames:
    """The last two known frames, continued along a straight line: [T, C, *S]."""
    before, last = forecast.history_TCS[-2:]
    step = np.arange(1, len(forecast.time_T) + 1, dtype=last.dtype)
    line: Frames = last + step.reshape(-1, *[1] * last.ndim) * (last - before)
    return line


def errors(truth_TCS: Iterable[Frames], forecast_TCS: Iterable[Frames]) -> Errors:
    """VRMSE [T, C], in float64, frame by frame to bound memory; infinite where the forecast is not finite."""
    pairs = zip(truth_TCS, forecast_TCS, strict=True)
    error_TC = np.stack([_frame_error(truth, forecast) for truth, forecast in pairs])
    return np.where(np.isfinite(error_TC), error_TC, np.inf)


def _frame_error(truth_CS: Frames, forecast_CS: Frames) -> Errors:
    truth, forecast = (torch.from_numpy(frame.astype(np.float64)) for frame in (truth_CS, forecast_CS))
    error_C: Errors = vrmse(truth, forecast, truth.ndim - 1).numpy()
    return error_C


def rollout_errors(forecast: Forecast) -> Errors:
    """VRMSE [F, T, C] of the model, of persistence and of the straight line over one rollout."""
    rollouts = (forecast.forecast_TCS, persistence(forecast), linear(forecast))
    return np.stack([errors(forecast.truth_TCS, rollout) for rollout in rollouts])


def one_step_errors(frames_TCS: Frames, forecast_KCS: Frames) -> Errors:
    """VRMSE [F, K, C] one step ahead, where `forecast_KCS` forecasts the last K frames, each from true ones.

    The baselines forecast the same K frames. Raises MismatchError unless two frames stand before the first.
    """
    count = len(forecast_KCS)
    if not 1 <= count <= len(frames_TCS) - LOOKBACK:
        raise MismatchError(
            f"{count} one-step forecasts of a trajectory of {len(frames_TCS)} frames, expected 1 to "
            f"{len(frames_TCS) - LOOKBACK}: each needs {LOOKBACK} true frames before it"
        )
    truth, last, before = (frames_TCS[len(frames_TCS) - count - back :][:count] for back in range(3))
    line = (now + (now - then) for then, now in zip(before, last, strict=True))
    return np.stack([errors(truth, guess) for guess in (forecast_KCS, last, line)])


def scores(
    task: str,
    channels: tuple[str, ...],
    one_steps: Sequence[Errors],
    rollouts: Sequence[Errors],
    windows: Sequence[tuple[int, int]] = WINDOWS,
) -> tuple[Score, ...]:
    """Sum a task up: a score for each of FORECASTERS, from one [F, K, C] and one [F, T, C] a trajectory."""
    return tuple(
        Score(
            task=task,
            forecaster=forecaster,
            channels=channels,
            trajectories=len(one_steps),
            one_step_C=_floats(np.mean([error_FKC[row].mean(0) for error_FKC in one_steps], axis=0)),
            windows=_windows([error_FTC[row] for error_FTC in rollouts], windows),
        )
        for row, forecaster in enumerate(FORECASTERS)
    )


def _windows(rollouts: Sequence[Errors], windows: Sequence[tuple[int, int]]) -> tuple[WindowScore, ...]:
    """Short trajectories count with the steps they have; a window none of them reaches is left out."""
    found = []
    for first, last in windows:
        parts = [error_TC[first - 1 : last] for error_TC in rollouts if len(error_TC) >= first]
        if parts:
            mean_NC = np.stack([part.mean(0) for part in parts])
            reached = first - 1 + max(len(part) for part in parts)
            found.append(
                WindowScore(
                    first=first,
                    last=reached,
                    value_C=_floats(np.median(mean_NC, axis=0)),
                    value=float(np.median(mean_NC.mean(1))),
                )
            )
    return tuple(found)


def _floats(values: Errors) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
