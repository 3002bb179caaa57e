"""A sample for any model: the tensors of one window, or of a batch of windows of one dataset.

Axes: B batch (in front, in a batch only), T time, C channel, S space (as many axes as the grid has).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from multiprocessing.reduction import ForkingPickler
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import default_collate
from torch.utils.data._utils.collate import default_collate_fn_map

from shards.card import Card
from shards.errors import MismatchError
from shards.nearest_name import require_known
from shards.read import Dataset
from shards.schema import Frames, Mask, Schema, Split
from shards.trajectory_document import TrajectoryDocument
from walrus.data.memory import MemoryPool
from walrus.data.shared_memory import Place, received, sent_places
from walrus.reading.plan import Window
from walrus.reading.window_reader import WindowReader

# physical: as in the source. stored: divided by the power of two nearest the RMS. rms: divided by the RMS of
# the training split. standard: minus the mean of the training split, divided by its standard deviation.
Units = Literal["physical", "stored", "rms", "standard"]
KEPT_DOCUMENTS = 1024
ALIGNMENT = 64


class Sample(NamedTuple):
    """One window; or a batch of windows of one dataset, with a batch axis in front of each tensor.

    - `fields` [T, C, *S]: the variable channels, float32, in the requested units; 2D data stay 2D.
    - `static` [C, *S]: the constant channels, in the same way (C may be 0).
    - `boundary` [*S]: the boundary bits of each cell (shards.schema.Cell), uint8.
    - `time` [T]: in the unit of the source, float64.
    - `scalars`: the parameters of the simulation, float64; NaN where a trajectory of a batch lacks one.
    """

    fields: Tensor
    static: Tensor
    boundary: Tensor
    time: Tensor
    scalars: dict[str, Tensor]
    dataset: str
    channels: tuple[str, ...]
    static_channels: tuple[str, ...]

    def of_window(self, number: int) -> Sample:
        """One window of a batch; the tensors are views."""
        return self._replace(
            fields=self.fields[number],
            static=self.static[number],
            boundary=self.boundary[number],
            time=self.time[number],
            scalars={name: values[number] for name, values in self.scalars.items()},
        )


class Samples(Sequence[Sample]):
    """The windows of a batch that was read at once; a DataLoader uses the batch as it is."""

    def __init__(self, batch: Sample) -> None:
        self.batch = batch

    def __len__(self) -> int:
        return len(self.batch.fields)

    def __getitem__(self, number: Any) -> Any:
        return self.batch.of_window(number)

    def __iter__(self) -> Iterator[Sample]:
        return (self.batch.of_window(number) for number in range(len(self)))


def collate(samples: Sequence[Sample], **_: Any) -> Sample:
    """The batch of these samples, without a copy if they were read at once.

    Raises MismatchError if they are from several datasets, or are batches already.
    """
    if isinstance(samples, Samples):
        return samples.batch
    first = samples[0]
    if first.time.ndim > 1:
        raise MismatchError("the items of a Stream are batches already; give the DataLoader batch_size=None")
    others = {sample.dataset for sample in samples} - {first.dataset}
    if others:
        raise MismatchError(
            f"a batch holds windows of {first.dataset} and {', '.join(sorted(others))}, with other channels; "
            "give the DataLoader batch_sampler=BatchesOfOneDataset(windows, batch_size)"
        )
    names = sorted({name for sample in samples for name in sample.scalars})
    missing = torch.tensor(torch.nan, dtype=torch.float64)
    return first._replace(
        fields=default_collate([sample.fields for sample in samples]),
        static=default_collate([sample.static for sample in samples]),
        boundary=default_collate([sample.boundary for sample in samples]),
        time=default_collate([sample.time for sample in samples]),
        scalars={
            name: default_collate([sample.scalars.get(name, missing) for sample in samples]) for name in names
        },
    )


# So a DataLoader without a collate_fn makes batches of our samples.
default_collate_fn_map[Sample] = collate


def _reduced(sample: Sample) -> tuple[Any, ...]:
    """How a worker sends a sample: the block that holds it, if there is one, otherwise its tensors."""
    found = sent_places((sample.fields, sample.static, sample.boundary))
    if found is None:
        return Sample, tuple(sample)
    block, places = found
    return _sample_of, (block.memory, places, *sample[3:])


def _sample_of(memory: Tensor, places: tuple[Place | Tensor, ...], *others: Any) -> Sample:
    fields, static, boundary = received(memory, places)
    return Sample(fields, static, boundary, *others)


ForkingPickler.register(Sample, _reduced)


@dataclass(frozen=True)
class UnitConversion:
    """Converts stored values to other units: times `scale`, plus `offset`, [C, 1, ...] each.

    A step that would change nothing is None.
    """

    scale: Frames | None
    offset: Frames | None

    @classmethod
    def of(cls, card: Card, units: Units, *, constant: bool = False) -> UnitConversion:
        """The conversion of the variable or the constant channels of a dataset to these units.

        Raises SettingsError for other units.
        """
        require_known("units", units, get_args(Units))
        schema = card.schema
        channels = schema.static_channels if constant else schema.channels
        powers = schema.per_channel(card.powers, constant=constant)
        scale = np.exp2(np.array(powers, np.float64)) if units != "stored" else np.ones(len(channels))
        offset = np.zeros(len(channels))
        if units in ("rms", "standard"):
            moments = [card.moments[name] for name in channels]
            width = np.array([each.rms if units == "rms" else each.std for each in moments])
            # A channel that is constant has no deviation: it is not divided.
            width[width == 0] = 1
            scale /= width
            if units == "standard":
                offset = -np.array([each.mean for each in moments]) / width
        return cls(_column(scale, 1, schema), _column(offset, 0, schema))

    def apply(self, values_CS: Frames) -> None:
        """Converts stored values [..., C, *S] in place."""
        if self.scale is not None:
            np.multiply(values_CS, self.scale, out=values_CS)
        if self.offset is not None:
            np.add(values_CS, self.offset, out=values_CS)


def _column(values_C: Frames, neutral: float, schema: Schema) -> Frames | None:
    """[C, 1, ...] the values, to combine with [C, *S]; None where all are `neutral`."""
    if (values_C == neutral).all():
        return None
    return values_C.astype(np.float32).reshape(-1, *(1 for _ in schema.grid.axes))


class SampleReader:
    """Reads windows of one split of one dataset as a batch, whose memory is reused once it is deleted.

    Several threads may use it.
    """

    def __init__(
        self, dataset: Dataset, split: Split, units: Units, memory: MemoryPool, kept_frames: int = 0
    ) -> None:
        self._reader = WindowReader(dataset, split, kept_frames)
        self._memory = memory
        self.card = dataset.card
        self.entries = self._reader.entries
        # Many windows are from one trajectory, whose document is parsed once.
        self._document = lru_cache(KEPT_DOCUMENTS)(
            lambda number: _facts(dataset.document(self.entries[number]))
        )
        self._variable = UnitConversion.of(dataset.card, units)
        self._constant = UnitConversion.of(dataset.card, units, constant=True)

    def read(self, windows: Sequence[Window], frames: int, pool: Executor | None = None) -> Sample:
        """The batch of these windows with `frames` frames each; raises ShardError if one is damaged.

        The threads of a pool share the windows.
        """
        schema = self.card.schema
        shapes = ((len(windows), frames, *schema.frame_shape), (len(windows), *schema.static_shape))
        fields, static, boundary = self._tensors(*shapes, (len(windows), *schema.grid.shape))
        time = np.empty((len(windows), frames))
        facts = [self._document(window.trajectory) for window in windows]
        arrays = (fields.numpy(), static.numpy(), boundary.numpy())
        read = map if pool is None else pool.map
        for _ in read(self._read_into, windows, *arrays):
            # Nothing comes back, but an error in a thread is raised here.
            pass
        for row, window, fact in zip(time, windows, facts, strict=True):
            row[:] = fact.time[window.first : window.first + window.stride * frames : window.stride]
        return Sample(
            fields,
            static,
            boundary,
            torch.from_numpy(time),
            _scalars([each.scalars for each in facts]),
            self.card.name,
            *self._names,
        )

    def _read_into(self, window: Window, fields_TCS: Frames, static_CS: Frames, cells_S: Mask) -> None:
        """Reads one window, and converts it while its values are still in the cache of the processor."""
        self._reader.read_into(window, fields_TCS, static_CS, cells_S)
        self._variable.apply(fields_TCS)
        self._constant.apply(static_CS)

    @cached_property
    def _names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.card.schema.channels, self.card.schema.static_channels

    def _tensors(self, *shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
        """Fields, constant fields (float32) and boundary bits (uint8) in one piece of memory."""
        dtypes = (torch.float32, torch.float32, torch.uint8)
        sizes = [prod(shape) * dtype.itemsize for shape, dtype in zip(shapes, dtypes, strict=True)]
        rooms = [-(-size // ALIGNMENT) * ALIGNMENT for size in sizes]
        parts = self._memory.lend(sum(rooms)).split(rooms)
        return tuple(
            part[:size].view(dtype).view(shape)
            for part, size, dtype, shape in zip(parts, sizes, dtypes, shapes, strict=True)
        )


@dataclass(frozen=True, eq=False)
class _Facts:
    """Times and parameters of a trajectory, from its document."""

    time: Frames
    scalars: dict[str, float]


def _facts(document: TrajectoryDocument) -> _Facts:
    return _Facts(np.array(document.trajectory.time), document.trajectory.scalars)


def _scalars(of_windows: Sequence[dict[str, float]]) -> dict[str, Tensor]:
    """Parameters by name, [B] each; NaN where a trajectory lacks one."""
    names = sorted({name for scalars in of_windows for name in scalars})
    return {
        name: torch.tensor([scalars.get(name, np.nan) for scalars in of_windows], dtype=torch.float64)
        for name in names
    }
