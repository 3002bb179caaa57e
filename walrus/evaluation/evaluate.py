"""A model on the test trajectories of one dataset: all that was found, ready to be written down and drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from shards.drawing.even_choice import evenly_chosen
from shards.errors import MismatchError
from shards.read import Dataset
from walrus.device import ran_out
from walrus.evaluation.forecasts import ForecastProtocol, Forecasts, TrajectoryErrors
from walrus.evaluation.published_scores import reported_windows
from walrus.evaluation.recording import Recording
from walrus.evaluation.scores import Scores, horizons, scores
from walrus.rollout import Model

FILM_STEPS = 60


@dataclass(frozen=True, eq=False)
class Recordings:
    """The rollout of median error, its every channel at one step, and those of least and most error (if others)."""

    typical: Recording
    fields: Recording
    best: Recording | None
    worst: Recording | None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All that was found on one dataset, and how: scores, tracks, and the films of a few rollouts."""

    task: str
    protocol: ForecastProtocol
    jitters: bool
    seeds: tuple[int, ...]
    channels: tuple[str, ...]
    shape: tuple[int, ...]
    conserved: tuple[str, ...]
    tracks: tuple[TrajectoryErrors, ...]
    films: Recordings

    @cached_property
    def scores(self) -> Scores:
        one_steps, rollouts = zip(
            *((track.one_step_FMKC, track.rollout_FMTC) for track in self.tracks), strict=True
        )
        return scores(self.channels, one_steps, rollouts)

    @cached_property
    def horizons(self) -> Scores:
        return horizons(self.channels, [track.rollout_FMTC for track in self.tracks])

    @property
    def reported(self) -> tuple[str, ...]:
        """Of the windows that were scored, those that the paper gives for such a dataset."""
        return tuple(window for window in reported_windows(self.task) if window in self.scores.windows)

    @property
    def starts(self) -> tuple[int, ...]:
        """The first frames of the rollouts, each once."""
        return tuple(sorted({track.start for track in self.tracks}))


def evaluate(model: Model, dataset: Dataset, protocol: ForecastProtocol) -> Evaluation:
    """Forecasts all trajectories of a split.

    Raises MismatchError where none is longer than the history, the model does not know a channel, or memory
    does not suffice; ShardError where a value is not finite.
    """
    trial = Forecasts(model, dataset, protocol)
    with _enough_memory(dataset, protocol):
        tracks = [trial.track(number) for number in trial.numbers]
        films = _films(trial, tracks)
    schema = dataset.card.schema
    return Evaluation(
        task=dataset.card.name,
        protocol=protocol,
        jitters=model.jitters,
        seeds=tuple(each.seed for each in trial.models),
        channels=schema.channels,
        shape=schema.grid.shape,
        conserved=trial.ledger(trial.numbers[0]).names,
        tracks=tuple(tracks),
        films=films,
    )


@contextmanager
def _enough_memory(dataset: Dataset, protocol: ForecastProtocol) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        cells = " x ".join(map(str, dataset.card.schema.grid.shape))
        cure = f"forecast fewer windows together (--at-once, now {protocol.at_once})"
        if protocol.at_once == 1:
            cure = "take a device with more memory, or the CPU (CUDA_VISIBLE_DEVICES=)"
        raise MismatchError(
            f"{dataset.files.where()}: out of memory while forecasting {protocol.history} frames of "
            f"{len(dataset.card.schema.channels)} channels on {cells} cells; {cure}"
        ) from error


def _films(trial: Forecasts, tracks: Sequence[TrajectoryErrors]) -> Recordings:
    """The rollouts of median, least and most error, the first channel of each; every channel of the median one."""
    order = sorted(range(len(tracks)), key=lambda place: tracks[place].error)
    typical, best, worst = order[len(order) // 2], order[0], order[-1]
    first = trial.schema.channels[:1]
    steps = tracks[typical].rollout_FMTC.shape[2]
    return Recordings(
        typical=trial.film(trial.numbers[typical], first, evenly_chosen(range(1, steps + 1), FILM_STEPS)),
        fields=trial.film(trial.numbers[typical], trial.schema.channels, (min(20, steps),)),
        best=None if best == typical else _end(trial, tracks, best),
        worst=None if worst == typical else _end(trial, tracks, worst),
    )


def _end(trial: Forecasts, tracks: Sequence[TrajectoryErrors], place: int) -> Recording:
    last = tracks[place].rollout_FMTC.shape[2]
    steps = evenly_chosen(range(1, last + 1), FILM_STEPS)
    return trial.film(trial.numbers[place], trial.schema.channels[:1], steps)
