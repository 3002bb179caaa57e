"""Reduce errors to scores: a mean over the steps of a window, then statistics over the trajectories.

The reasons are in docs/decisions/0020-one-rule-for-every-score.md.

Axes: N trajectories, W windows, F forecaster (the order of FORECASTERS), M measure (the order of MEASURES),
T steps of a rollout, K frames forecast one step ahead, C channel, A statistic (the order of STATISTICS).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from walrus.evaluation.metrics import MEASURES, Measure

Errors = npt.NDArray[np.float64]
Forecaster = Literal["model", "persistence", "linear", "trend"]
Statistic = Literal["median", "mean", "std"]

FORECASTERS: tuple[Forecaster, ...] = get_args(Forecaster)
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)

ONE_STEP = "one-step"
ALL = "all"
# First and last rollout step, counted from 1: of the 19 pretraining datasets, then of the 8 downstream ones.
PUBLISHED_WINDOWS = ((1, 20), (21, 60), (1, 10), (11, 30))
LOGARITHMIC_BINS = 4


@dataclass(frozen=True)
class StepRange:
    """Rollout steps `first` to `last`, counted from 1; in shorter rollouts those that exist."""

    first: int
    last: int

    @property
    def name(self) -> str:
        return f"{self.first}:{self.last}"


@dataclass(frozen=True)
class Score:
    """One score with its statistics over the trajectories; `channel` may be ALL, the mean over the channels.

    `steps` are the first and the last step that some trajectory reaches; one-step scores have none.
    """

    window: str
    steps: tuple[int, int] | None
    forecaster: Forecaster
    measure: Measure
    channel: str
    median: float
    mean: float
    std: float


@dataclass(frozen=True, eq=False)
class Scores:
    """All scores of one task: `values_WFMCA`, where channel 0 is the mean over the channels."""

    windows: tuple[str, ...]
    steps: tuple[tuple[int, int] | None, ...]
    channels: tuple[str, ...]
    values_WFMCA: Errors

    def value(
        self,
        window: str = ONE_STEP,
        forecaster: Forecaster = "model",
        measure: Measure = "vrmse",
        channel: str = ALL,
        statistic: Statistic = "median",
    ) -> float:
        """One number; raises KeyError for a window that no trajectory reaches."""
        if window not in self.windows:
            raise KeyError(f"no window {window}; expected one of {', '.join(self.windows)}")
        rows = FORECASTERS.index(forecaster), MEASURES.index(measure), self.channels.index(channel)
        return float(self.values_WFMCA[self.windows.index(window)][rows][STATISTICS.index(statistic)])

    def rows(self) -> Iterator[Score]:
        """Every score, window by window."""
        for w, window in enumerate(self.windows):
            for f, forecaster in enumerate(FORECASTERS):
                for m, measure in enumerate(MEASURES):
                    for c, channel in enumerate(self.channels):
                        median, mean, std = map(float, self.values_WFMCA[w, f, m, c])
                        yield Score(window, self.steps[w], forecaster, measure, channel, median, mean, std)


def windows_of(longest: int) -> tuple[StepRange, ...]:
    """The published and the logarithmic windows that rollouts of `longest` steps reach, each once."""
    published = [StepRange(first, last) for first, last in PUBLISHED_WINDOWS]
    windows = [*published, *logarithmic_windows(longest)]
    return tuple(dict.fromkeys(window for window in windows if window.first <= longest))


def logarithmic_windows(longest: int) -> Iterator[StepRange]:
    """Windows of equal width in the logarithm of the step, up to `longest`.

    Source: arXiv 2511.15684, table 3, and the released metrics.

    >>> [window.name for window in logarithmic_windows(83)]
    ['1:1', '2:3', '4:9', '10:27', '28:83']
    """
    before = 0
    for power in np.linspace(0, math.log(longest), LOGARITHMIC_BINS + 1):
        # The exponential of a logarithm may fall short of a whole number by a rounding.
        edge = int(math.exp(power) + 1e-9)
        if edge > before:
            yield StepRange(before + 1, edge)
        before = edge


def scores(channels: Sequence[str], one_steps: Sequence[Errors], rollouts: Sequence[Errors]) -> Scores:
    """The scores of a task one step ahead and for every window.

    `one_steps` has [F, M, K, C] and `rollouts` [F, M, T, C] for each trajectory.
    """
    longest = max(error.shape[2] for error in rollouts)
    windows = windows_of(longest)
    values = [_statistics(one_steps)] + [_statistics(_within(window, rollouts)) for window in windows]
    steps = tuple((window.first, min(window.last, longest)) for window in windows)
    return Scores(
        (ONE_STEP, *(window.name for window in windows)), (None, *steps), (ALL, *channels), np.stack(values)
    )


def horizons(channels: Sequence[str], rollouts: Sequence[Errors]) -> Scores:
    """The scores of every single step of the rollouts."""
    longest = max(error.shape[2] for error in rollouts)
    steps = range(1, longest + 1)
    values = [_statistics(_within(StepRange(step, step), rollouts)) for step in steps]
    return Scores(
        tuple(map(str, steps)), tuple((step, step) for step in steps), (ALL, *channels), np.stack(values)
    )


def _within(window: StepRange, rollouts: Sequence[Errors]) -> list[Errors]:
    """The steps of a window, [F, M, steps, C] of each trajectory; none where it does not reach them."""
    return [error[:, :, window.first - 1 : window.last] for error in rollouts]


def _statistics(samples: Sequence[Errors]) -> Errors:
    """[F, M, C, A] of errors [F, M, steps, C] of each trajectory; one without steps does not count."""
    mean_NFMC = np.stack([mean_of_scored(error, 2) for error in samples if error.shape[2]])
    mean_NFMC = np.concatenate([mean_of_scored(mean_NFMC, -1)[..., None], mean_NFMC], -1)
    # The error of a forecast that diverged is infinite, and so is its mean; it has no standard deviation.
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        # A channel that no trajectory scores stays NaN.
        warnings.simplefilter("ignore", RuntimeWarning)
        median, std = np.nanmedian(mean_NFMC, 0), np.nanstd(mean_NFMC, 0)
        return np.stack([median, mean_of_scored(mean_NFMC, 0), std], -1)


def mean_of_scored(errors: Errors, axis: int) -> Errors:
    """The mean over an axis without NaN, which stands for a field that is uniform in space; NaN where all
    are.

    >>> mean_of_scored(np.array([[1.0, np.nan], [3.0, np.nan]]), axis=0).tolist()
    [2.0, nan]
    """
    scored = ~np.isnan(errors)
    with np.errstate(invalid="ignore"):
        mean: Errors = np.where(scored, errors, 0.0).sum(axis) / scored.sum(axis)
        return mean
