"""Writes a forecast into a file: reads the window it starts from, forecasts the frames, adds metadata.

Axes: T time, C channel, S space; E draws of an ensemble.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ingest.recipe import find_recipe
from ingest.source import find
from pipelines.forecast_file import Described, ForecastFrame, suffix_of, write_forecast
from shards.disk import write_atomically
from shards.errors import MismatchError, SettingsError, SourceError
from shards.remote import open_place
from shards.schema import Frames, Split
from walrus.api import FrameWindow, Pretrained, load, rollout, stored
from walrus.evaluation.forecast_film import ForecastFilm
from walrus.rollout import ChangeBounds


@dataclass(frozen=True)
class Request:
    """Where a forecast starts: a built dataset, or a file with its recipe; `first` is the first frame."""

    start: str
    recipe: str | None = None
    split: Split = "test"
    trajectory: int = 0
    first: int = 0


@dataclass(frozen=True)
class Done:
    """What was written, for the command to print."""

    document: dict[str, Any]
    text: str


@dataclass(frozen=True, eq=False)
class _Start:
    """A window with the times of its frames [T], the parameters of its simulation, and its name."""

    window: FrameWindow
    times: Sequence[float]
    scalars: dict[str, float]
    name: str


def window_of(file: Path | str, recipe: str, trajectory: int, first: int, frames: int) -> FrameWindow:
    """Frames `first`, `first` + 1, ... of a trajectory of a source file, in physical units.

    `recipe` is a name of the catalogue or a file. Raises SourceError where the file is not what the recipe
    describes, MismatchError where it has no such frames.
    """
    return _of_file(Path(file), recipe, trajectory, first, frames).window


def forecast(
    checkpoint: Path,
    request: Request,
    out: Path,
    steps: int,
    ensemble: int = 1,
    change: tuple[float, float] = (0.25, 1.0),
    gif: Path | None = None,
) -> Done:
    """Writes the `steps` frames that follow the window; with an ensemble their mean and spread.

    `change` bounds the RMS of the change of each field, in units of that at the start of the forecast
    (docs/decisions/0037). `gif` is a file for a film of at most 120 of the steps, evenly chosen. A frame is
    written as it comes, so memory does not grow with the steps. Raises SettingsError for another suffix of a
    file, MismatchError where the model does not fit the window, and where a field leaves finite numbers: the
    file then has the steps before.
    """
    # Before the model is loaded, which takes minutes where it is large.
    suffix_of(out)
    if gif is not None and gif.suffix != ".gif":
        raise SettingsError(f"{gif}: found {gif.suffix or 'no suffix'}; expected .gif")
    model = load(checkpoint)
    begin = _start_of(request, model)
    frames = _frames(_bounded(model, change), begin.window, steps, ensemble)
    described = Described(
        begin.window.schema,
        _times_after(begin.times, steps),
        ensemble,
        {
            "title": f"Forecast of {begin.name}",
            "source": f"walrus-pde {version('walrus-pde')}, model {checkpoint}",
            "initial_frames": f"{len(begin.times)} frames, time {begin.times[0]:g} to {begin.times[-1]:g}",
            "draws_of_jitter": ensemble,
            **{f"parameter_{name}": value for name, value in begin.scalars.items()},
        },
    )
    film = None if gif is None else _film(gif, begin, described)
    written = write_forecast(out, described, frames if film is None else _filmed(frames, film))
    if film is not None and gif is not None and written.steps:
        write_atomically(gif, film.gif())
    last = described.times[written.steps - 1] if written.steps else begin.times[-1]
    if written.steps < steps:
        raise MismatchError(
            f"{begin.name}: {', '.join(written.not_finite)} became infinite or not a number in step "
            f"{written.steps + 1} of {steps}; {out} has the {written.steps} steps before, up to time "
            f"{last:g}; forecast fewer steps, or fine-tune the model"
        )
    document = {
        "file": str(out),
        "gif": str(gif) if gif else None,
        "steps": steps,
        "draws": ensemble,
        "last_time": last,
    }
    return Done(document, f"{out}: {steps} steps after {begin.name}, up to time {last:g}")


def _film(gif: Path, begin: _Start, described: Described) -> ForecastFilm:
    """An empty film, and the folder of its file."""
    gif.parent.mkdir(parents=True, exist_ok=True)
    return ForecastFilm(f"Forecast of {begin.name}", described.schema, described.times)


def _filmed(frames: Iterator[ForecastFrame], film: ForecastFilm) -> Iterator[ForecastFrame]:
    """The same frames; the film takes each on its way."""
    for step, frame in enumerate(frames):
        film.add(step, frame.mean_CS)
        yield frame


def _start_of(request: Request, model: Pretrained) -> _Start:
    """The window that the request means, as long as the model looks back."""
    if request.recipe is not None:
        axes = find_recipe(request.recipe).axes
        return _of_file(
            Path(request.start), request.recipe, request.trajectory, request.first, model.history(len(axes))
        )
    dataset = open_place(request.start)
    frames = model.history(len(dataset.card.schema.grid.axes))
    window = stored(request.start, request.split, request.trajectory, request.first, frames)
    trajectory = dataset.document(dataset.entries(request.split)[request.trajectory]).trajectory
    times = trajectory.time[request.first : request.first + frames]
    name = f"{dataset.card.name}, {request.split}/{trajectory.key}"
    return _Start(window, times, trajectory.scalars, name)


def _of_file(file: Path, recipe_name: str, trajectory: int, first: int, frames: int) -> _Start:
    """The window of a trajectory of one source file, read as its recipe says, without a build."""
    recipe = find_recipe(recipe_name)
    if not file.exists():
        raise SourceError(f"{file}: no such file or folder")
    with find(recipe.source).open_file(file, recipe) as opened:
        rows = opened.rows
        if trajectory >= len(rows) or first + frames > len(rows[trajectory].time):
            longest = max((len(row.time) for row in rows), default=0)
            raise MismatchError(
                f"{file}: no frames {first} to {first + frames - 1} of trajectory {trajectory}; there are "
                f"{len(rows)} of at most {longest} frames"
            )
        row = rows[trajectory]
        static = opened.static(trajectory) if opened.schema.static_channels else None
        window = FrameWindow(
            opened.schema,
            opened.frames(trajectory, first, first + frames),
            static,
            opened.boundary(trajectory),
            recipe.name,
        )
    return _Start(window, row.time[first : first + frames], row.scalars, f"{file}, trajectory {trajectory}")


def _times_after(times: Sequence[float], steps: int) -> tuple[float, ...]:
    """Times of the steps [T], as far apart as the last two frames of the window."""
    step = times[-1] - times[-2]
    return tuple(times[-1] + step * number for number in range(1, steps + 1))


def _bounded(model: Pretrained, change: tuple[float, float]) -> Pretrained:
    return replace(model, model=replace(model.model, bounds=ChangeBounds(*change)))


def _frames(model: Pretrained, window: FrameWindow, steps: int, ensemble: int) -> Iterator[ForecastFrame]:
    """Each step of all draws together: their mean, and their standard deviation where there are several."""
    draws = [
        rollout(replace(model, model=replace(model.model, seed=model.model.seed + number)), window, steps)
        for number in range(ensemble)
    ]
    for frames_ECS in zip(*draws, strict=True):
        yield _mean_and_spread(frames_ECS)


def _mean_and_spread(frames_ECS: Sequence[Frames]) -> ForecastFrame:
    if len(frames_ECS) == 1:
        return ForecastFrame(frames_ECS[0], None)
    # In float64: the spread of a settled field is a small difference.
    stacked = np.stack(frames_ECS).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        return ForecastFrame(stacked.mean(0), stacked.std(0, ddof=1))
