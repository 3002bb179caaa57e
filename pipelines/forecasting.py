"""Writes a forecast to a file: reads the window that it starts from, forecasts the frames, adds metadata.

Axes: T time, C channel, S space, E draws of an ensemble.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ingest.catalogue import find_recipe
from ingest.source import find
from pipelines.command_output import CommandOutput
from pipelines.forecast_file import ForecastFrame, ForecastMetadata, WrittenSteps, suffix_of, write_forecast
from pipelines.preflight import require_writable
from shards.counted import counted
from shards.disk import write_atomically
from shards.errors import MismatchError, SettingsError, SourceError
from shards.remote import open_place
from shards.schema import Frames, Split
from walrus.api import FrameWindow, PretrainedModel, load, rollout, stored
from walrus.evaluation.forecast_film import ForecastFilm
from walrus.rollout import ChangeBounds


@dataclass(frozen=True)
class ForecastStart:
    """Where a forecast starts: in a built dataset, or in a file that `recipe` describes.

    `place` is the folder or URL of the dataset, or the path of the file. The model sees frame `first` and
    those that follow.
    """

    place: str
    recipe: str | None = None
    split: Split = "test"
    trajectory: int = 0
    first: int = 0


@dataclass(frozen=True, eq=False)
class _StartWindow:
    """A window, the times [T] of its frames, the parameters of its simulation, and its name."""

    window: FrameWindow
    times: Sequence[float]
    scalars: dict[str, float]
    name: str


def window_of(file: Path | str, recipe: str, trajectory: int, first: int, frames: int) -> FrameWindow:
    """Frames `first` to `first + frames - 1` of a trajectory of a source file, in physical units.

    `recipe` is a name in the catalogue or a file. Raises SourceError if the file is not as the recipe
    describes it, MismatchError if it has no such frames.
    """
    return _of_file(Path(file), recipe, trajectory, first, frames).window


def forecast(
    checkpoint: Path,
    start: ForecastStart,
    out: Path,
    steps: int,
    ensemble: int = 1,
    change: tuple[float, float] = (0.25, 1.0),
    gif: Path | None = None,
    trend_share: float = 0.0,
) -> CommandOutput:
    """Writes the `steps` frames that follow the window to the file `out`.

    With an `ensemble` of several draws of the jitter, it writes their mean and standard deviation. `change`
    bounds the RMS of the change of each field, as multiples of that at the start of the forecast
    (docs/decisions/0037-bounds-on-the-change.md). `gif` is the file of a film of at most 120 of the steps,
    evenly chosen. `trend_share` of a forecast is the trend of the window (docs/decisions/0170-trend.md). Each
    frame is written at once, so memory does not grow with the number of steps.

    Raises SettingsError if a file has another suffix; MismatchError if a file cannot be written, the model
    does not fit the window, or a field becomes infinite or not a number: the file then has the steps before.
    """
    # Checked before the model is loaded: a large one takes minutes.
    _require_outputs(out, gif)
    model = load(checkpoint, trend_share)
    begin = _start_window(start, model)
    frames = _frames(_bounded(model, change), begin.window, steps, ensemble)
    metadata = _metadata(checkpoint, begin, steps, ensemble, trend_share)
    if gif is None:
        written = write_forecast(out, metadata, frames)
    else:
        written = _write_with_film(out, gif, metadata, frames)
    last = metadata.times[written.steps - 1] if written.steps else begin.times[-1]
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
    return CommandOutput(document, f"{out}: {steps} steps after {begin.name}, up to time {last:g}")


def _metadata(
    checkpoint: Path, begin: _StartWindow, steps: int, ensemble: int, trend_share: float
) -> ForecastMetadata:
    """What the file says: the times of its steps, the model, the window, the parameters of the simulation."""
    return ForecastMetadata(
        begin.window.schema,
        _times_after(begin.times, steps),
        ensemble,
        {
            "title": f"Forecast of {begin.name}",
            "source": f"walrus-pde {version('walrus-pde')}, model {checkpoint}",
            "initial_frames": f"{len(begin.times)} frames, time {begin.times[0]:g} to {begin.times[-1]:g}",
            "draws_of_jitter": ensemble,
            **({"share_of_the_trend": trend_share} if trend_share else {}),
            **{f"parameter_{name}": value for name, value in begin.scalars.items()},
        },
    )


def _require_outputs(out: Path, gif: Path | None) -> None:
    """Raises an error if a file has another suffix, or cannot be written."""
    suffix_of(out)
    if gif is not None and gif.suffix != ".gif":
        raise SettingsError(f"{gif}: found {gif.suffix or 'no suffix'}; expected .gif")
    require_writable(out.absolute().parent)
    if gif is not None:
        require_writable(gif.absolute().parent, option="--gif")


def _write_with_film(
    out: Path, gif: Path, metadata: ForecastMetadata, frames: Iterator[ForecastFrame]
) -> WrittenSteps:
    """Writes the forecast, and the film of the steps that were written."""
    gif.parent.mkdir(parents=True, exist_ok=True)
    film = ForecastFilm(metadata.attributes["title"], metadata.schema, metadata.times)
    written = write_forecast(out, metadata, _filmed(frames, film))
    if written.steps:
        write_atomically(gif, film.gif())
    return written


def _filmed(frames: Iterator[ForecastFrame], film: ForecastFilm) -> Iterator[ForecastFrame]:
    """Yields the same frames, and adds each to the film."""
    for step, frame in enumerate(frames):
        film.add(step, frame.mean_CS)
        yield frame


def _start_window(start: ForecastStart, model: PretrainedModel) -> _StartWindow:
    """The window at the start of the forecast, with as many frames as the model takes."""
    if start.recipe is not None:
        frames = model.history(len(find_recipe(start.recipe).axes))
        return _of_file(Path(start.place), start.recipe, start.trajectory, start.first, frames)
    dataset = open_place(start.place)
    frames = model.history(len(dataset.card.schema.grid.axes))
    window = stored(start.place, start.split, start.trajectory, start.first, frames)
    trajectory = dataset.document(dataset.entries(start.split)[start.trajectory]).trajectory
    times = trajectory.time[start.first : start.first + frames]
    name = f"{dataset.card.name}, {start.split}/{trajectory.key}"
    return _StartWindow(window, times, trajectory.scalars, name)


def _of_file(file: Path, recipe_name: str, trajectory: int, first: int, frames: int) -> _StartWindow:
    """The window of a trajectory of a source file, read by its recipe, without a build."""
    recipe = find_recipe(recipe_name)
    if not file.exists():
        raise SourceError(f"{file}: no such file or folder; check the path")
    with find(recipe.source).open_file(file, recipe) as opened:
        rows = opened.rows
        if trajectory >= len(rows) or first + frames > len(rows[trajectory].time):
            longest = max((len(row.time) for row in rows), default=0)
            raise MismatchError(
                f"{file}: no frames {first} to {first + frames - 1} of trajectory {trajectory}; found "
                f"{counted(len(rows), 'trajectory')} of at most {longest} frames; ask for frames among those"
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
    return _StartWindow(
        window, row.time[first : first + frames], row.scalars, f"{file}, trajectory {trajectory}"
    )


def _times_after(times: Sequence[float], steps: int) -> tuple[float, ...]:
    """[T] the times of the steps, which are as far apart as the last two frames of the window."""
    step = times[-1] - times[-2]
    return tuple(times[-1] + step * number for number in range(1, steps + 1))


def _bounded(model: PretrainedModel, change: tuple[float, float]) -> PretrainedModel:
    """The model with these bounds on the change of a field."""
    return replace(model, model=replace(model.model, bounds=ChangeBounds(*change)))


def _frames(
    model: PretrainedModel, window: FrameWindow, steps: int, ensemble: int
) -> Iterator[ForecastFrame]:
    """Yields each step: the mean of all draws, and their standard deviation if there are several."""
    draws = [
        rollout(replace(model, model=replace(model.model, seed=model.model.seed + number)), window, steps)
        for number in range(ensemble)
    ]
    for frames_ECS in zip(*draws, strict=True):
        yield _mean_and_spread(frames_ECS)


def _mean_and_spread(frames_ECS: Sequence[Frames]) -> ForecastFrame:
    if len(frames_ECS) == 1:
        return ForecastFrame(frames_ECS[0], None)
    # In float64, because the spread of a field that hardly changes is a small difference.
    stacked = np.stack(frames_ECS).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        return ForecastFrame(stacked.mean(0), stacked.std(0, ddof=1))
