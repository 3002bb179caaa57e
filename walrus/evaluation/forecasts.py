"""Forecast the trajectories of one split, and reduce each frame by frame to small arrays of errors.

Memory holds some frames, never a trajectory. Pictures of a rollout are recorded while it is forecast a second
time.

The reasons are in docs/decisions/0021-forecast-twice.md.

Axes: B batch, T time, K frames forecast one step ahead, G seed, F forecaster, M measure, C channel, S space,
Q conserved quantity, R ring of wavenumbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from shards.errors import MismatchError
from shards.read import Dataset
from shards.schema import SPLITS, Frames
from shards.spectrum import FourierModes, modes_of, power
from walrus.batch import Batch, channels_of
from walrus.device import device
from walrus.evaluation.baselines import LOOKBACK, frame_errors, linear, persistence, trends
from walrus.evaluation.conservation import ConservedTotals, conserved_totals
from walrus.evaluation.forecast_protocol import ForecastProtocol
from walrus.evaluation.metrics import VRMSE, channel_units
from walrus.evaluation.physics import FlowMeasures, flow_measures, is_incompressible
from walrus.evaluation.progress import Progress, counted
from walrus.evaluation.recording import Recording, RecordingRequest, RolloutFacts, RolloutStep, record_each
from walrus.evaluation.scores import Errors, mean_of_scored
from walrus.evaluation.true_trajectory import TrueTrajectory
from walrus.reading.reader import Reader
from walrus.rollout import Model, rollout
from walrus.stability import ForecastWarning, StabilityCheck

# Values in the windows that are forecast at once, at most: 32 MiB before the network widens them.
VALUES_AT_ONCE = 2**23
# Rollout steps with a spectrum, as far as a rollout reaches.
SPECTRUM_STEPS = (1, 5, 20, 60)


@dataclass(frozen=True, eq=False)
class TrajectoryErrors:
    """The errors of all forecasters on one trajectory, and spectra and drift of truth and model (first seed).

    `spectrum_T2CR` holds the variance per ring at those of SPECTRUM_STEPS that it reaches, `drift_2TQ` the
    relative change of each conserved quantity since the last known frame, `flow_2TQ` the measures of the flow
    (`physics.FlowMeasures`), `scalars` the parameters of the simulation.
    """

    trajectory: str
    start: int
    one_step_FMKC: Errors
    rollout_FMTC: Errors
    spectrum_T2CR: Errors
    drift_2TQ: Errors
    flow_2TQ: Errors
    warnings: tuple[ForecastWarning, ...] = ()
    scalars: Mapping[str, float] = field(default_factory=dict)

    @property
    def error(self) -> float:
        """VRMSE of the model's rollout, the mean over steps and channels; 0 where no field has one."""
        return float(np.nan_to_num(mean_of_scored(self.rollout_FMTC[0, VRMSE].ravel(), 0)))


class Forecasts:
    """The forecasts of one model on one split of a dataset.

    Raises MismatchError if the split has no trajectory longer than the history, or the model lacks a
    channel.
    """

    def __init__(
        self, model: Model, dataset: Dataset, protocol: ForecastProtocol, progress: Progress | None = None
    ) -> None:
        self.numbers = _long_enough(dataset, protocol)
        _require_known_channels(model, dataset)
        self.schema = dataset.card.schema
        # Without jitter every seed gives the same forecast.
        seeds = protocol.seeds if model.jitters else protocol.seeds[:1]
        self.models = [replace(model, seed=seed) for seed in seeds]
        self._dataset, self._protocol = dataset, protocol
        self._reader = Reader(dataset, protocol.split)
        self._unit_C = channel_units(dataset.card)
        self._count = counted(progress, sum(map(self._frames_to_forecast, self.numbers)))
        model.network.to(device())

    def truth(self, number: int) -> TrueTrajectory:
        """The true frames of a trajectory."""
        return TrueTrajectory(self._reader, number)

    def errors(self, number: int) -> TrajectoryErrors:
        """Forecast one trajectory, and keep its errors."""
        truth = self.truth(number)
        one_step_KFMC = list(self._one_step(truth))
        predicted = self._protocol.rollout_frames(truth.frames)
        start_CS = truth.frame(predicted.start - 1)
        totals, flow, stability = self.conserved(truth), self.flow(truth), self._stability_check(truth)
        errors, spectra, drifts, flows = [], [], [], []
        warnings: list[ForecastWarning] = []
        for step, (truth_CS, forecasts_FCS) in enumerate(self._rollout(truth, self.models), 1):
            errors.append(self._errors(truth, truth_CS, forecasts_FCS))
            warnings += stability.next(forecasts_FCS[0])
            pair = [truth_CS.cpu().numpy(), forecasts_FCS[0].cpu().numpy()]
            if totals.names:
                drifts.append(totals.drift(start_CS, pair))
            flows.append([flow.of(frame_CS) for frame_CS in pair])
            if step in SPECTRUM_STEPS:
                spectra.append([self._spectra(frame_CS) for frame_CS in pair])
        return TrajectoryErrors(
            trajectory=truth.key,
            start=predicted.start,
            one_step_FMKC=np.stack(one_step_KFMC, 2),
            rollout_FMTC=np.stack(errors, 2),
            spectrum_T2CR=np.array(spectra),
            drift_2TQ=np.stack(drifts, 1) if drifts else np.zeros((2, len(predicted), 0)),
            flow_2TQ=np.array(flows).transpose(1, 0, 2),
            warnings=tuple(warnings),
            scalars=truth.facts.scalars,
        )

    def recordings(self, number: int, wanted: Sequence[RecordingRequest]) -> list[Recording]:
        """Forecast the trajectory again with the first seed, and record each of `wanted`."""
        truth = self.truth(number)
        facts = RolloutFacts(
            self._dataset.card.name,
            truth.key,
            self.schema.channels,
            self.schema.grid,
            self.schema.boundaries,
            truth.solid,
            self.schema.per_channel({each.name: each.unit for each in self.schema.fields}),
            self.schema.units.get("time", ""),
        )
        last = max(max(each.steps) for each in wanted)
        return record_each(facts, islice(self._rollout_steps(truth), last), wanted)

    def conserved(self, truth: TrueTrajectory) -> ConservedTotals:
        """The totals that the channels of the dataset give, without the solid cells of this trajectory."""
        return conserved_totals(self.schema.channels, self.schema.grid, truth.solid)

    def flow(self, truth: TrueTrajectory) -> FlowMeasures:
        """The measures of the flow that the channels give, the same ones for all trajectories."""
        return flow_measures(self.schema, truth.solid, incompressible=self._incompressible)

    @cached_property
    def _incompressible(self) -> bool:
        truth = self.truth(self.numbers[0])
        return is_incompressible(self.schema, truth.solid, truth.frame(0))

    @cached_property
    def _modes(self) -> FourierModes:
        return modes_of(self.schema.grid, self.schema.boundaries)

    def _spectra(self, frame_CS: Frames) -> list[Errors]:
        return [power(field_S, self._modes) for field_S in frame_CS]

    def _frames_to_forecast(self, number: int) -> int:
        """Frames that `errors` forecasts of a trajectory, with all seeds."""
        frames = self._reader.entries[number].frames
        one_step = frames - self._protocol.history
        return len(self.models) * (one_step + len(self._protocol.rollout_frames(frames)))

    def _one_step(self, truth: TrueTrajectory) -> Iterator[Errors]:
        """[F, M, C] of every frame that has a history, each forecast from true frames."""
        history, frames = self._protocol.history, truth.frames
        values = history * int(np.prod(self.schema.frame_shape))
        at_once = max(1, min(self._protocol.at_once, VALUES_AT_ONCE // values))
        for first in range(history, frames, at_once):
            count = min(at_once, frames - first)
            seen = truth.window(first - history, history + count)
            truth_TCS = truth.physical(seen.fields_BTCHWD[0], seen)
            windows = _windows(seen, history, count)
            ahead = [
                truth.physical(model.next_frame(windows, first - history), seen) for model in self.models
            ]
            trend_KCS = truth.physical(next(trends(windows, 1)), seen)
            self._count(count * len(self.models))
            for step, truth_CS in enumerate(truth_TCS[history:]):
                last_CS, before_CS = truth_TCS[history + step - 1], truth_TCS[history + step - 2]
                guesses = [
                    *(frames_KCS[step] for frames_KCS in ahead),
                    last_CS,
                    last_CS + (last_CS - before_CS),
                    trend_KCS[step],
                ]
                yield self._errors(truth, truth_CS, torch.stack(guesses))

    def _rollout(self, truth: TrueTrajectory, models: Sequence[Model]) -> Iterator[tuple[Tensor, Tensor]]:
        """Truth [C, *S] and forecasts [G + 3, C, *S] of each step: each seed, then the baselines."""
        predicted, history = self._protocol.rollout_frames(truth.frames), self._protocol.history
        steps = len(predicted)
        seen = truth.window(predicted.start - history, history)
        before_CS, last_CS = truth.physical(seen.fields_BTCHWD[0], seen)[-LOOKBACK:]
        rollouts = [rollout(model, seen, steps) for model in models]
        baselines = zip(persistence(last_CS, steps), linear(before_CS, last_CS, steps), strict=True)
        guesses = zip(predicted, baselines, *rollouts, trends(seen, steps), strict=True)
        for frame, extrapolated, *frames_BCHWD in guesses:
            *seeds, trend_CS = [truth.physical(each_BCHWD, seen)[0] for each_BCHWD in frames_BCHWD]
            self._count(len(models))
            yield truth.read(frame, 1)[0], torch.stack([*seeds, *extrapolated, trend_CS])

    def _rollout_steps(self, truth: TrueTrajectory) -> Iterator[RolloutStep]:
        """The steps of the rollout with the first seed, for pictures."""
        predicted = self._protocol.rollout_frames(truth.frames)
        for step, (truth_CS, forecasts_FCS) in enumerate(self._rollout(truth, self.models[:1]), 1):
            errors_FMC = frame_errors(truth_CS, forecasts_FCS[:1], self._unit_C, truth.fluid)
            pair = truth_CS.cpu().numpy(), forecasts_FCS[0].cpu().numpy()
            yield RolloutStep(step, truth.facts.time[predicted[step - 1]], *pair, errors_FMC[0, VRMSE])

    def _errors(self, truth: TrueTrajectory, truth_CS: Tensor, forecasts_FCS: Tensor) -> Errors:
        """[F, M, C] of the four forecasters, from forecasts [G + 3, C, *S]: the mean over the seeds."""
        errors_FMC = frame_errors(truth_CS, forecasts_FCS, self._unit_C, truth.fluid)
        seeds = len(self.models)
        return np.concatenate([errors_FMC[:seeds].mean(0, keepdims=True), errors_FMC[seeds:]])

    def _stability_check(self, truth: TrueTrajectory) -> StabilityCheck:
        history, predicted = self._protocol.history, self._protocol.rollout_frames(truth.frames)
        window_TCS = truth.read(predicted.start - history, history)
        return StabilityCheck(self.schema.channels, window_TCS, self._dataset.card.moments, truth.fluid)


def _long_enough(dataset: Dataset, protocol: ForecastProtocol) -> tuple[int, ...]:
    """Numbers of the trajectories that are longer than the history."""
    split, history, where = protocol.split, protocol.history, dataset.files.where()
    frames = [entry.frames for entry in dataset.entries(split)]
    if not frames:
        found = ", ".join(f"{len(dataset.entries(each))} {each}" for each in SPLITS)
        raise MismatchError(f"{where}: has no {split} trajectories ({found}); take another split")
    if max(frames) <= history:
        raise MismatchError(
            f"{where}: the longest {split} trajectory has {max(frames)} frames; expected more than "
            f"the history of {history}; use a model with a shorter history"
        )
    return tuple(number for number, count in enumerate(frames) if count > history)


def _require_known_channels(model: Model, dataset: Dataset) -> None:
    known = set(model.vocabulary.names)
    unknown = [name for name in channels_of(dataset.card.schema) if name not in known]
    if unknown:
        raise MismatchError(
            f"{dataset.files.where()}: the model does not know {', '.join(unknown)}; "
            "fine-tune it on this dataset (walrus-finetune), or rename the fields in the recipe"
        )


def _windows(seen: Batch, history: int, count: int) -> Batch:
    """`count` overlapping windows of the one trajectory of a batch."""
    windows = [seen.fields_BTCHWD[0, at : at + history] for at in range(count)]
    return replace(
        seen,
        fields_BTCHWD=torch.stack(windows),
        static_BCHWD=seen.static_BCHWD.expand(count, -1, -1, -1, -1),
        cells_BHWD=seen.cells_BHWD.expand(count, -1, -1, -1),
    )
