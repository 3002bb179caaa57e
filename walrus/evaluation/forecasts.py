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
import numpy.typing as npt
import torch
from torch import Tensor

from shards.errors import MismatchError, ShardError
from shards.read import Dataset
from shards.schema import SPLITS, AtLeastOne, Cell, Frames, Split, Trajectory, checked
from shards.spectrum import FourierModes, modes_of, power
from walrus.batch import Batch, channels_of
from walrus.device import device
from walrus.evaluation.baselines import LOOKBACK, frame_errors, linear, persistence, trends
from walrus.evaluation.conservation import ConservedTotals, conserved_totals
from walrus.evaluation.metrics import MEASURES, channel_units
from walrus.evaluation.physics import FlowMeasures, flow_measures, is_incompressible
from walrus.evaluation.progress import Progress, counted
from walrus.evaluation.recording import Recording, RecordingRequest, RolloutFacts, RolloutStep, record_each
from walrus.evaluation.scores import Errors, mean_of_scored
from walrus.reading.plan import Window
from walrus.reading.reader import Reader
from walrus.rollout import Model, rollout
from walrus.stability import ForecastWarning, StabilityCheck

# Values in the windows that are forecast at once, at most: 32 MiB before the network widens them.
VALUES_AT_ONCE = 2**23
# Rollout steps with a spectrum, as far as a rollout reaches.
SPECTRUM_STEPS = (1, 5, 20, 60)
VRMSE = MEASURES.index("vrmse")


@dataclass(frozen=True)
class ForecastProtocol:
    """Which forecasts are made.

    A rollout begins at frame `start` (counted from 0) of a trajectory that reaches it, otherwise right after
    the `history`, and takes at most `longest` steps. A model with jitter is run once for each of `seeds`,
    and its errors are averaged. At most `at_once` windows are forecast together one step ahead; they share a
    draw of the jitter.
    """

    history: int
    start: int = 17
    longest: int = 60
    seeds: tuple[int, ...] = (0,)
    at_once: int = 8
    split: Split = "test"


@checked
class EvaluationSettings:
    """Test forecasts: `start` is the first predicted frame of a rollout (the published choice is 17).

    A model with patch jitter is run with this many `seeds`, and its errors are averaged. At most `at_once`
    windows are forecast together.
    """

    start: AtLeastOne = 17
    longest: AtLeastOne = 60
    seeds: AtLeastOne = 1
    at_once: AtLeastOne = 8

    def protocol(self, history: int, split: Split = "test") -> ForecastProtocol:
        """The protocol of these settings for a model with this history."""
        return ForecastProtocol(
            history, self.start, self.longest, tuple(range(self.seeds)), self.at_once, split
        )


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
        self.dataset, self.protocol = dataset, protocol
        self.schema = dataset.card.schema
        self.where = dataset.files.where()
        self.numbers = self._long_enough()
        self.reader = Reader(dataset, protocol.split)
        self._unit_C = channel_units(dataset.card)
        # Without jitter every seed gives the same forecast.
        seeds = protocol.seeds if model.jitters else protocol.seeds[:1]
        self.models = [replace(model, seed=seed) for seed in seeds]
        self.count = counted(progress, sum(map(self.frames, self.numbers)))
        model.network.to(device())
        self._check_channels(model)

    @cached_property
    def modes(self) -> FourierModes:
        return modes_of(self.schema.grid, self.schema.boundaries)

    def errors(self, number: int) -> TrajectoryErrors:
        """Forecast one trajectory, and keep its errors."""
        first, steps = self._span(number)
        one_step_KFMC = list(self._one_step(number))
        kept = [step for step in SPECTRUM_STEPS if step <= steps]
        totals = self.conserved(number)
        start_CS = self._numpy(self._read(number, first - 1, 1))[0]
        flow = self.flow(number)
        check = self._stability_check(number)
        errors, spectra, drifts, flows = [], [], [], []
        warnings: list[ForecastWarning] = []
        for step, (truth_CS, forecasts_FCS) in enumerate(self._rollout(number), 1):
            errors.append(self._errors(number, truth_CS, forecasts_FCS))
            warnings += check.next(forecasts_FCS[0])
            pair = [truth_CS.cpu().numpy(), forecasts_FCS[0].cpu().numpy()]
            if totals.names:
                drifts.append(totals.drift(start_CS, pair))
            flows.append([flow.of(frame_CS) for frame_CS in pair])
            if step in kept:
                spectra.append([self._spectra(frame_CS) for frame_CS in pair])
        return TrajectoryErrors(
            trajectory=self.reader.entries[number].key,
            start=first,
            one_step_FMKC=np.stack(one_step_KFMC, 2),
            rollout_FMTC=np.stack(errors, 2),
            spectrum_T2CR=np.array(spectra),
            drift_2TQ=np.stack(drifts, 1) if drifts else np.zeros((2, steps, 0)),
            flow_2TQ=np.array(flows).transpose(1, 0, 2),
            warnings=tuple(warnings),
            scalars=self._document(number).scalars,
        )

    def _document(self, number: int) -> Trajectory:
        return self.dataset.document(self.reader.entries[number]).trajectory

    def frames(self, number: int) -> int:
        """Frames that `errors` forecasts of a trajectory, with each model."""
        _, steps = self._span(number)
        return len(self.models) * (self.reader.entries[number].frames - self.protocol.history + steps)

    def _spectra(self, frame_CS: Frames) -> list[Errors]:
        return [power(field_S, self.modes) for field_S in frame_CS]

    def recordings(self, number: int, wanted: Sequence[RecordingRequest]) -> list[Recording]:
        """Forecast the trajectory again with the first seed, and record each of `wanted`."""
        facts = RolloutFacts(
            self.dataset.card.name,
            self.reader.entries[number].key,
            self.schema.channels,
            self.schema.grid,
            self.schema.boundaries,
            self._solid(number),
            self.schema.per_channel({each.name: each.unit for each in self.schema.fields}),
            self.schema.units.get("time", ""),
        )
        last = max(max(each.steps) for each in wanted)
        return record_each(facts, islice(self._rollout_steps(number), last), wanted)

    def flow(self, number: int) -> FlowMeasures:
        """The measures of the flow that the channels give, the same ones for all trajectories."""
        return flow_measures(self.schema, self._solid(number), incompressible=self._incompressible)

    @cached_property
    def _incompressible(self) -> bool:
        number = self.numbers[0]
        start_CS = self._numpy(self._read(number, 0, 1))[0]
        return is_incompressible(self.schema, self._solid(number), start_CS)

    def conserved(self, number: int) -> ConservedTotals:
        """The totals that the channels of the dataset give, without the solid cells of this trajectory."""
        return conserved_totals(self.schema.channels, self.schema.grid, self._solid(number))

    def _rollout_steps(self, number: int) -> Iterator[RolloutStep]:
        first, _ = self._span(number)
        times = self._document(number).time
        for step, (truth_CS, forecasts_FCS) in enumerate(self._rollout(number, self.models[:1]), 1):
            errors_FMC = frame_errors(truth_CS, forecasts_FCS[:1], self._unit_C, self._fluid(number))
            frames = truth_CS.cpu().numpy(), forecasts_FCS[0].cpu().numpy()
            yield RolloutStep(step, times[first + step - 1], *frames, errors_FMC[0, VRMSE])

    def _span(self, number: int) -> tuple[int, int]:
        """The first frame of the rollout, and its number of steps."""
        frames, history = self.reader.entries[number].frames, self.protocol.history
        first = self.protocol.start if history <= self.protocol.start < frames else history
        return first, min(frames - first, self.protocol.longest)

    def _one_step(self, number: int) -> Iterator[Errors]:
        """[F, M, C] of every frame that has a history, each forecast from true frames."""
        history, frames = self.protocol.history, self.reader.entries[number].frames
        values = history * int(np.prod(self.schema.frame_shape))
        at_once = max(1, min(self.protocol.at_once, VALUES_AT_ONCE // values))
        for first in range(history, frames, at_once):
            count = min(at_once, frames - first)
            seen = self._read(number, first - history, history + count)
            truth_TCS = self._physical(seen)
            windows = _windows(seen, history, count)
            ahead = [
                self._physical(_of_frames(seen, model.next_frame(windows, first - history)))
                for model in self.models
            ]
            trend_KCS = self._physical(_of_frames(seen, next(trends(windows, 1))))
            self.count(count * len(self.models))
            for step, truth_CS in enumerate(truth_TCS[history:]):
                last_CS, before_CS = truth_TCS[history + step - 1], truth_TCS[history + step - 2]
                guesses = [
                    *(frames_KCS[step] for frames_KCS in ahead),
                    last_CS,
                    last_CS + (last_CS - before_CS),
                    trend_KCS[step],
                ]
                yield self._errors(number, truth_CS, torch.stack(guesses))

    def _rollout(self, number: int, models: Sequence[Model] | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Truth [C, *S] and forecasts [G + 3, C, *S] of each step: each seed, then the baselines."""
        history = self.protocol.history
        first, steps = self._span(number)
        seen = self._read(number, first - history, history)
        before_CS, last_CS = self._physical(seen)[-LOOKBACK:]
        rollouts = [rollout(model, seen, steps) for model in (models or self.models)]
        baselines = zip(persistence(last_CS, steps), linear(before_CS, last_CS, steps), strict=True)
        guesses = zip(baselines, *rollouts, trends(seen, steps), strict=True)
        for step, (known, *frames_BCHWD, trend_BCHWD) in enumerate(guesses):
            truth_CS = self._physical(self._read(number, first + step, 1))[0]
            forecasts = [self._physical(_of_frames(seen, frame))[0] for frame in (*frames_BCHWD, trend_BCHWD)]
            self.count(len(rollouts))
            yield truth_CS, torch.stack([*forecasts[:-1], *known, forecasts[-1]])

    def _errors(self, number: int, truth_CS: Tensor, forecasts_FCS: Tensor) -> Errors:
        """[F, M, C] of the four forecasters, from forecasts [G + 3, C, *S]: the mean over the seeds."""
        errors_FMC = frame_errors(truth_CS, forecasts_FCS, self._unit_C, self._fluid(number))
        seeds = len(self.models)
        return np.concatenate([errors_FMC[:seeds].mean(0, keepdims=True), errors_FMC[seeds:]])

    def _read(self, number: int, first: int, frames: int) -> Batch:
        """Frames from `first` on, in stored units; raises ShardError for a value that is not finite."""
        batch = self.reader.read([Window(number, first, 1)], self.reader.buffers(1, frames)).to(device())
        finite_T = batch.fields_BTCHWD[0].isfinite().flatten(1).all(1)
        if not finite_T.all():
            frame = first + int(finite_T.int().argmin())
            raise ShardError(
                f"{self.where}: trajectory {self.reader.entries[number].key}, frame {frame}: values are not "
                "finite; build the dataset again: walrus-ingest leaves such trajectories out"
            )
        return batch

    def _physical(self, batch: Batch) -> Tensor:
        """Frames [T, C, *S] of the one window of a batch, float64 in physical units, padded channels left
        out.
        """
        real_C = ~batch.padded_C
        scaled = batch.fields_BTCHWD[0].double() * batch.scale_C.double()[:, None, None, None]
        return scaled[:, real_C].reshape(len(scaled), *self.schema.frame_shape)

    def _numpy(self, batch: Batch) -> Frames:
        frames: Frames = self._physical(batch).cpu().numpy()
        return frames

    def _stability_check(self, number: int) -> StabilityCheck:
        history, (first, _) = self.protocol.history, self._span(number)
        window_TCS = self._physical(self._read(number, first - history, history))
        moments, fluid_S = self.dataset.card.moments, self._fluid(number)
        return StabilityCheck(self.schema.channels, window_TCS, moments, fluid_S)

    def _fluid(self, number: int) -> Tensor | None:
        """[*S] True outside obstacles; None where there are none, or nothing else."""
        solid_S = torch.from_numpy(self._solid(number))
        return None if solid_S.all() or not solid_S.any() else ~solid_S.to(device())

    def _solid(self, number: int) -> npt.NDArray[np.bool_]:
        cells_S = self.dataset.boundary(self.reader.entries[number])
        solid_S: npt.NDArray[np.bool_] = (cells_S & np.uint8(Cell.OBSTACLE)) != 0
        return solid_S

    def _long_enough(self) -> tuple[int, ...]:
        """Numbers of the trajectories that are longer than the history."""
        split, history = self.protocol.split, self.protocol.history
        frames = [entry.frames for entry in self.dataset.entries(split)]
        if not frames:
            found = ", ".join(f"{len(self.dataset.entries(each))} {each}" for each in SPLITS)
            raise MismatchError(f"{self.where}: has no {split} trajectories ({found}); take another split")
        if max(frames) <= history:
            raise MismatchError(
                f"{self.where}: the longest {split} trajectory has {max(frames)} frames; expected more than "
                f"the history of {history}; use a model with a shorter history"
            )
        return tuple(number for number, count in enumerate(frames) if count > history)

    def _check_channels(self, model: Model) -> None:
        known = set(model.vocabulary.names)
        unknown = [name for name in channels_of(self.schema) if name not in known]
        if unknown:
            raise MismatchError(
                f"{self.where}: the model does not know {', '.join(unknown)}; "
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


def _of_frames(seen: Batch, frames_BCHWD: Tensor) -> Batch:
    """Frames [T, C, H, W, D] as those of the one window of a batch."""
    return replace(seen, fields_BTCHWD=frames_BCHWD[None])
