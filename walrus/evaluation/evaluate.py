"""Evaluate a model on the trajectories of one dataset: scores, errors of each, and recordings to draw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from shards.counted import counted
from shards.drawing.even_choice import evenly_chosen
from shards.drawing.plane import views_of
from shards.errors import MismatchError
from shards.read import Dataset
from walrus.device import is_out_of_memory
from walrus.evaluation.films import LARGEST, LEAST, filmed
from walrus.evaluation.films import wanted as films_wanted
from walrus.evaluation.forecast_protocol import ForecastProtocol
from walrus.evaluation.forecasts import Forecasts, TrajectoryErrors
from walrus.evaluation.metrics import VRMSE
from walrus.evaluation.progress import Progress
from walrus.evaluation.published_scores import reported_windows
from walrus.evaluation.recording import Recording, RecordingRequest
from walrus.evaluation.scores import Scores, horizons, scores
from walrus.rollout import ChangeBounds, Model
from walrus.stability import ForecastWarning, Kind

RECORDED_STEPS = 60
USUAL_CHANGE = (ChangeBounds().lowest, ChangeBounds().highest)


@dataclass(frozen=True, eq=False)
class RecordedTrajectory:
    """A trajectory of the viewer: its place among the trajectories, the words for it, and its recording."""

    index: int
    words: str
    recording: Recording


@dataclass(frozen=True, eq=False)
class Recordings:
    """The first channel of the rollout of median error (of two, the larger), all its channels at one step,
    the first channel of those of least and most error if others; and the films of the viewer, in this order.
    """

    typical: Recording
    fields: Recording
    best: Recording | None
    worst: Recording | None
    films: tuple[RecordedTrajectory, ...] = ()


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The result of one dataset: how it was made, errors of each trajectory, recordings of a few rollouts.

    `draws`, `trend_share` and `change` are those of the model: see Model and ChangeBounds in walrus.rollout.
    """

    task: str
    protocol: ForecastProtocol
    jitters: bool
    seeds: tuple[int, ...]
    channels: tuple[str, ...]
    shape: tuple[int, ...]
    conserved: tuple[str, ...]
    flow: tuple[str, ...]
    trajectories: tuple[TrajectoryErrors, ...]
    recordings: Recordings
    draws: int = 1
    trend_share: float = 0.0
    change: tuple[float, float] = USUAL_CHANGE

    @cached_property
    def scores(self) -> Scores:
        one_steps = [trajectory.one_step_FMKC for trajectory in self.trajectories]
        rollouts = [trajectory.rollout_FMTC for trajectory in self.trajectories]
        return scores(self.channels, one_steps, rollouts)

    @cached_property
    def horizons(self) -> Scores:
        return horizons(self.channels, [trajectory.rollout_FMTC for trajectory in self.trajectories])

    @property
    def reported(self) -> tuple[str, ...]:
        """The windows that the paper gives for such a dataset, as far as they were scored."""
        return tuple(window for window in reported_windows(self.task) if window in self.scores.windows)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on rollouts that begin elsewhere than was asked, on fields without a score, and on
        forecasts that left the range of the data or stopped.
        """
        return (
            *_other_starts(self.protocol, self.trajectories),
            *_uniform_fields(self.channels, self.trajectories),
            *_unstable_fields(self.trajectories),
        )

    @property
    def starts(self) -> tuple[int, ...]:
        """The first frames of the rollouts, without repetition."""
        return tuple(sorted({trajectory.start for trajectory in self.trajectories}))


def evaluate(
    model: Model, dataset: Dataset, protocol: ForecastProtocol, progress: Progress | None = None
) -> Evaluation:
    """Forecast all trajectories of a split; `progress` is called now and then.

    Raises MismatchError if none is longer than the history, the model does not know a channel, or memory
    is too small; ShardError if a value is not finite, or the dataset was rebuilt meanwhile.
    """
    forecasts = Forecasts(model, dataset, protocol, progress)
    with dataset.unchanged(), _enough_memory(dataset, protocol):
        trajectories = [forecasts.errors(number) for number in forecasts.numbers]
        recordings = _recordings(forecasts, trajectories)
    schema = dataset.card.schema
    # The names are the same for all trajectories.
    first = forecasts.truth(forecasts.numbers[0])
    return Evaluation(
        task=dataset.card.name,
        protocol=protocol,
        jitters=model.jitters,
        seeds=tuple(each.seed for each in forecasts.models),
        channels=schema.channels,
        shape=schema.grid.shape,
        conserved=forecasts.conserved(first).names,
        flow=forecasts.flow(first).names,
        trajectories=tuple(trajectories),
        recordings=recordings,
        draws=model.draws if model.jitters else 1,
        trend_share=model.trend_share,
        change=(model.bounds.lowest, model.bounds.highest),
    )


def _other_starts(protocol: ForecastProtocol, trajectories: Sequence[TrajectoryErrors]) -> list[str]:
    """A sentence if rollouts do not begin at the frame that was asked for."""
    others = [each for each in trajectories if each.start != protocol.start]
    if not others:
        return []
    history = protocol.history
    return [
        f"{len(others)} of {counted(len(trajectories), 'rollout')} did not begin at frame {protocol.start} "
        f"but at frame {history}, right after the history: --start takes a frame from {history} to the last"
    ]


def _uniform_fields(channels: Sequence[str], trajectories: Sequence[TrajectoryErrors]) -> list[str]:
    """A sentence for each channel that is uniform in space in some frames."""
    uniform_KC = np.concatenate(
        [np.isnan(each.one_step_FMKC[0, VRMSE]) for each in trajectories]  # the truth decides, not the model
    )
    return [
        f"{channel} is uniform in space in {share:.0%} of the frames; it has no VRMSE there"
        for channel, share in zip(channels, uniform_KC.mean(0), strict=True)
        if share > 0
    ]


def _unstable_fields(trajectories: Sequence[TrajectoryErrors]) -> list[str]:
    """A sentence for each channel and kind of warning: the first step, and in how many rollouts."""
    earliest: dict[tuple[str, Kind], ForecastWarning] = {}
    rollouts: Counter[tuple[str, Kind]] = Counter()
    for trajectory in trajectories:
        for warning in trajectory.warnings:
            key = warning.channel, warning.kind
            rollouts[key] += 1
            if key not in earliest or warning.step < earliest[key].step:
                earliest[key] = warning
    return [
        f"{warning.text} (in {rollouts[key]} of {len(trajectories)} rollouts)"
        for key, warning in earliest.items()
    ]


@contextmanager
def _enough_memory(dataset: Dataset, protocol: ForecastProtocol) -> Iterator[None]:
    """Turns an out-of-memory error into one that says what to do."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        cells = " x ".join(map(str, dataset.card.schema.grid.shape))
        cure = f"forecast fewer windows together (--at-once, now {protocol.at_once})"
        if protocol.at_once == 1:
            cure = "take a device with more memory, or the CPU (CUDA_VISIBLE_DEVICES=)"
        raise MismatchError(
            f"{dataset.files.where()}: out of memory while forecasting {protocol.history} frames of "
            f"{len(dataset.card.schema.channels)} channels on {cells} cells; {cure}"
        ) from error


def _recordings(forecasts: Forecasts, trajectories: Sequence[TrajectoryErrors]) -> Recordings:
    """Forecast the trajectories that are shown once more."""
    shown = filmed([trajectory.error for trajectory in trajectories])
    schema = forecasts.schema
    views = views_of(schema.grid, schema.boundaries)
    films: list[RecordedTrajectory] = []
    panels: list[Recording] = []
    firsts: list[Recording] = []
    for index, words in shown.items():
        steps = trajectories[index].rollout_FMTC.shape[2]
        seen = RecordingRequest(
            evenly_chosen(range(1, steps + 1), RECORDED_STEPS), schema.channels[:1], views
        )
        wanted = [films_wanted(schema, steps, len(shown)), seen]
        if not films:
            wanted.append(RecordingRequest((min(20, steps),), schema.channels, views))
        film, first, *fields = forecasts.recordings(forecasts.numbers[index], wanted)
        films.append(RecordedTrajectory(index, words, film))
        firsts.append(first)
        panels += fields
    # The typical one is first. Of two, it has the largest error, and is not drawn again as such.
    others = dict(zip(tuple(shown.values())[1:], firsts[1:], strict=True))
    return Recordings(firsts[0], panels[0], others.get(LEAST), others.get(LARGEST), tuple(films))
