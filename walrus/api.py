"""Load a trained model and forecast from arrays to arrays, without DeepSpeed.

    from walrus.api import load, rollout, stored

    model = load("runs/tuned")
    window = stored("data/cns2d", "test", trajectory=0, first=0, frames=model.history(2))
    for frame_CS in rollout(model, window, steps=20):
        print(frame_CS.mean((1, 2)))

Axes: T time, C channel, S space.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from shards.errors import MismatchError, WalrusWarning
from shards.remote import open_place
from shards.schema import Cell, Frames, Mask, Schema, Split, side_mask
from shards.shard import copy_channels
from walrus.batch import Batch, BatchChannels, embed
from walrus.checkpoint import ModelDescription, load_model
from walrus.device import device
from walrus.rollout import Model
from walrus.rollout import rollout as roll
from walrus.stability import StabilityCheck


@dataclass(frozen=True, eq=False)
class FrameWindow:
    """Frames of one trajectory in physical units, with their schema.

    `frames_TCS` [T, C, *S] holds the variable channels in the order of `schema.channels`, `static_CS` [C,
    *S] the constant ones in the order of `schema.static_channels`. `cells_S` [*S] are the bits of the
    per-cell boundary mask (shards.schema.Cell), by default those of a box with the schema's sides. `dataset`
    selects the statistics of a model that was fine-tuned with those of whole datasets. Raises MismatchError
    where a shape does not fit the schema, or a value is not finite.
    """

    schema: Schema
    frames_TCS: Frames
    static_CS: Frames | None = None
    cells_S: Mask | None = None
    dataset: str = ""

    def __post_init__(self) -> None:
        schema = self.schema
        self._check("frames", self.frames_TCS, (len(self.frames_TCS), *schema.frame_shape), schema.channels)
        if self.static_CS is not None or schema.static_channels:
            self._check("constant fields", self.static_CS, schema.static_shape, schema.static_channels)
        if self.cells_S is not None and self.cells_S.shape != schema.grid.shape:
            raise MismatchError(
                f"window: the cells have shape {self.cells_S.shape}; expected {schema.grid.shape}"
            )

    def _check(
        self, what: str, values: Frames | None, shape: tuple[int, ...], channels: tuple[str, ...]
    ) -> None:
        """Raises MismatchError if an array is missing, has another shape, or is not finite everywhere."""
        if values is None or values.shape != shape:
            found = "are missing" if values is None else f"have shape {values.shape}"
            raise MismatchError(f"window: the {what} {found}; expected {shape} with {', '.join(channels)}")
        channel_first = np.moveaxis(values, -1 - len(self.schema.grid.axes), 0)
        for channel, field in zip(channels, channel_first, strict=True):
            if not np.isfinite(field).all():
                raise MismatchError(
                    f"window: {channel} has values that are not finite; leave such frames out, or fill them"
                )


@dataclass(frozen=True, eq=False)
class PretrainedModel:
    """A model with the description it was saved with."""

    model: Model
    description: ModelDescription

    def history(self, dimensions: int) -> int:
        """Number of frames that the model takes, on a grid with this many axes."""
        return self.description.history(dimensions)


def load(checkpoint: Path | str, trend_share: float = 0.0) -> PretrainedModel:
    """Load the model in the folder of a run, or of a converted checkpoint; onto the GPU if there is one.

    A share `trend_share` of its forecasts is the trend of the window (docs/decisions/0170-trend.md). Raises
    ShardError if there is no model, MismatchError if its files do not fit each other, or the share is not
    from 0 to 1.
    """
    description, model = load_model(Path(checkpoint))
    model.network.to(device())
    return PretrainedModel(replace(model, trend_share=trend_share), description)


def stored(folder: Path | str, split: Split, trajectory: int, first: int, frames: int) -> FrameWindow:
    """Read frames `first` to `first + frames - 1` of a trajectory of a built dataset, in physical units.

    `folder` is a folder or a URL. Raises ShardError if the dataset is not built, MismatchError if it
    has no such frames.
    """
    dataset = open_place(folder)
    entries, schema = dataset.entries(split), dataset.card.schema
    if not 0 <= trajectory < len(entries) or not 0 <= first < first + frames <= entries[trajectory].frames:
        longest = max((entry.frames for entry in entries), default=0)
        raise MismatchError(
            f"{folder}: no frames {first} to {first + frames - 1} of {split} trajectory {trajectory}; "
            f"there are {len(entries)} trajectories of at most {longest} frames; ask for frames among those"
        )
    entry, powers = entries[trajectory], dataset.card.powers
    frames_TCS = np.empty((frames, *schema.frame_shape), schema.dtype)
    dataset.read_frames(entry, range(first, first + frames), frames_TCS)
    frames_TCS *= _units(schema.per_channel(powers), schema)
    static_CS = None
    if schema.static_channels:
        static_CS = dataset.static(entry) * _units(schema.per_channel(powers, constant=True), schema)
    return FrameWindow(schema, frames_TCS, static_CS, dataset.boundary(entry), dataset.card.name)


def rollout(pretrained: PretrainedModel, window: FrameWindow, steps: int) -> Iterator[Frames]:
    """Yield the `steps` frames that follow the window, [C, *S] each, float32 in physical units.

    The model takes the last `history` frames of the window. Warns (`warnings.warn`) at the first step at
    which a field is far outside the range of the window, or stops changing. Raises MismatchError if the
    window has fewer frames, or the model does not know a channel.
    """
    history = pretrained.history(len(window.schema.grid.axes))
    if len(window.frames_TCS) < history:
        raise MismatchError(
            f"window: {len(window.frames_TCS)} frames; expected {history} for this model; give as many"
        )
    batch = _batch(window, history)
    real_C, unit_C = (~batch.padded_C).cpu(), batch.scale_C.cpu()
    fluid_S = None
    if window.cells_S is not None:
        fluid_S = torch.from_numpy((window.cells_S & Cell.OBSTACLE) == 0)
    known_TCS = torch.from_numpy(window.frames_TCS[-history:])
    check = StabilityCheck(window.schema.channels, known_TCS, fluid_S=fluid_S)
    for frame_BCHWD in roll(pretrained.model, batch.to(device()), steps):
        frame_CHWD = frame_BCHWD[0].cpu() * unit_C[:, None, None, None]
        frame_CS: Frames = frame_CHWD[real_C].reshape(window.schema.frame_shape).numpy()
        for warning in check.next(torch.from_numpy(frame_CS)):
            warnings.warn(warning.text, WalrusWarning, stacklevel=2)
        yield frame_CS


def _batch(window: FrameWindow, history: int) -> Batch:
    """The window as a batch: each channel is divided by the power of two nearest its RMS, as in shards."""
    schema = window.schema
    frames_TCS = window.frames_TCS[-history:]
    static_CS = np.zeros(schema.static_shape) if window.static_CS is None else window.static_CS
    cells_S = side_mask(schema.grid.shape, schema.boundaries) if window.cells_S is None else window.cells_S

    powers, static_powers = _powers(frames_TCS.swapaxes(0, 1)), _powers(static_CS)
    variable = BatchChannels.of(schema.variable_fields, schema.grid)
    constant = BatchChannels.of(schema.constant_fields, schema.grid)
    return embed(
        window.dataset,
        schema,
        tuple(2.0**power for power in powers),
        tuple(2.0**power for power in static_powers),
        _with_padding(frames_TCS / _units(powers, schema), 1, variable),
        _with_padding(static_CS / _units(static_powers, schema), 0, constant),
        torch.from_numpy(np.array(cells_S, np.uint8)[None]),
    )


def _powers(fields_C: Frames) -> tuple[int, ...]:
    """[C] the exponent of the power of two nearest the RMS of each channel; 0 where the RMS is zero."""
    powers = []
    for field in fields_C:
        mean_square = np.square(field, dtype=np.float64).mean()
        powers.append(round(math.log2(math.sqrt(mean_square))) if mean_square > 0 else 0)
    return tuple(powers)


def _units(powers: Sequence[int], schema: Schema) -> Frames:
    """[C, 1, ...] 2^k of each channel, to multiply [C, *S] by."""
    units: Frames = np.exp2(np.array(powers, np.float64)).reshape(-1, *[1] * len(schema.grid.axes))
    return units


def _with_padding(values: Frames, channel_axis: int, channels: BatchChannels) -> torch.Tensor:
    """The values of one window with the channels of a batch: zeros in padding, and a batch axis in front."""
    shape = list(values.shape)
    shape[channel_axis] = len(channels.stored_numbers)
    padded = np.zeros(shape, np.float32)
    copy_channels(
        np.moveaxis(values, channel_axis, 0), np.moveaxis(padded, channel_axis, 0), channels.stored_slices
    )
    return torch.from_numpy(padded[None])
