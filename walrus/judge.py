"""A model on the test trajectories of one dataset: every next frame, and a rollout of each trajectory.

Axes: B batch, T time, K frames forecast one step ahead, C channel, S space.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from shards.errors import MismatchError
from shards.read import Dataset
from shards.spec import Cell, Frames
from walrus.batch import Batch
from walrus.engine import device
from walrus.forecast import Errors, Forecast, Score, one_step_errors, rollout_errors, scores
from walrus.plan import Window
from walrus.rollout import Model, rollout
from walrus.stream import Reader

WINDOWS_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class Judgement:
    """Scores of model, persistence and linear extrapolation; the rollout errors [F, T, C] and forecasts they sum up."""

    scores: tuple[Score, ...]
    rollouts: tuple[Errors, ...]
    forecasts: tuple[Forecast, ...]
    start: int


def judge(model: Model, dataset: Dataset, history: int, start: int, longest: int) -> Judgement:
    """Forecasts all test trajectories; `start` is the first frame of a rollout where the trajectory reaches it.

    Raises MismatchError where no trajectory is longer than the history.
    """
    reader = Reader(dataset, "test")
    model.network.to(device())
    one_steps, forecasts = [], []
    for number, entry in enumerate(reader.entries):
        if entry.frames <= history:
            continue
        whole = reader.read([Window(number, 0, 1)], reader.buffers(1, entry.frames)).to(device())
        truth_TCS = _physical(whole, dataset)
        ahead_KCS = np.concatenate([_physical(batch, dataset) for batch in _next_frames(model, whole, history)])
        one_steps.append(one_step_errors(truth_TCS, ahead_KCS))
        first = start if history <= start < entry.frames else history
        stop = min(entry.frames, first + longest)
        forecasts.append(_forecast(model, dataset, number, whole, truth_TCS[:stop], first, history))
    if not forecasts:
        raise MismatchError(f"{dataset.folder}: no test trajectory is longer than the history of {history} frames")
    rollouts = [rollout_errors(forecast) for forecast in forecasts]
    channels = dataset.card.schema.channels
    used = min(len(forecast.history_TCS) for forecast in forecasts)
    return Judgement(scores(dataset.card.name, channels, one_steps, rollouts), tuple(rollouts), tuple(forecasts), used)


def _next_frames(model: Model, whole: Batch, history: int) -> Iterator[Batch]:
    """One-step forecasts of every frame that has a history, as batches of single frames."""
    count = whole.fields_BTCHWD.shape[1] - history
    for first in range(0, count, WINDOWS_AT_ONCE):
        firsts = range(first, min(first + WINDOWS_AT_ONCE, count))
        windows = [whole.fields_BTCHWD[0, at : at + history] for at in firsts]
        batch = replace(
            whole,
            fields_BTCHWD=torch.stack(windows),
            static_BCHWD=whole.static_BCHWD.expand(len(windows), -1, -1, -1, -1),
            cells_BHWD=whole.cells_BHWD.expand(len(windows), -1, -1, -1),
        )
        frames_BCHWD = model.next_frame(batch, first)
        yield replace(whole, fields_BTCHWD=frames_BCHWD[None])


def _forecast(
    model: Model, dataset: Dataset, number: int, whole: Batch, truth_TCS: Frames, first: int, history: int
) -> Forecast:
    before = replace(whole, fields_BTCHWD=whole.fields_BTCHWD[:, first - history : first])
    frames = [frame[:, None] for frame in rollout(model, before, len(truth_TCS) - first)]
    rolled = replace(whole, fields_BTCHWD=torch.cat(frames, 1))
    schema = dataset.card.schema
    trajectory = dataset.document(dataset.entries("test")[number]).trajectory
    obstacle_S = (dataset.boundary(dataset.entries("test")[number]) & np.uint8(Cell.OBSTACLE)) != 0
    return Forecast(
        task=dataset.card.name,
        trajectory=trajectory.key,
        channels=schema.channels,
        grid=schema.grid,
        boundaries=schema.boundaries,
        time_T=np.array(trajectory.time[first : len(truth_TCS)]),
        history_TCS=truth_TCS[:first],
        truth_TCS=truth_TCS[first:],
        forecast_TCS=_physical(rolled, dataset),
        obstacle_S=obstacle_S if obstacle_S.any() else None,
    )


def _physical(batch: Batch, dataset: Dataset) -> Frames:
    """Frames [T, C, *S] of the one window of a batch in physical units, without what only pads."""
    real_C = ~batch.padded_C
    scaled = batch.fields_BTCHWD[0] * batch.scale_C[:, None, None, None]
    shape = dataset.card.schema.grid.shape
    frames: Frames = scaled[:, real_C].reshape(len(scaled), int(real_C.sum()), *shape).cpu().numpy()
    return frames
