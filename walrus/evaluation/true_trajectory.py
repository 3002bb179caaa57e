"""The true frames of a trajectory: forecasts start from them and are compared with them.

Axes: B batch, T time, C channel, S space (H W D in a batch).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shards.errors import ShardError
from shards.schema import Cell, Frames, Trajectory
from walrus.batch import Batch
from walrus.device import device
from walrus.reading.plan import Window
from walrus.reading.reader import Reader


class TrueTrajectory:
    """One trajectory of a split, whose frames are read on demand."""

    def __init__(self, reader: Reader, number: int) -> None:
        self._reader, self._number = reader, number
        self._dataset, self._entry = reader.dataset, reader.entries[number]
        self.key, self.frames = self._entry.key, self._entry.frames

    @cached_property
    def facts(self) -> Trajectory:
        """Its times and parameters."""
        return self._dataset.document(self._entry).trajectory

    def window(self, first: int, frames: int) -> Batch:
        """Frames from `first` on, in stored units; raises ShardError for a value that is not finite."""
        buffers = self._reader.buffers(1, frames)
        batch = self._reader.read([Window(self._number, first, 1)], buffers).to(device())
        finite_T = batch.fields_BTCHWD[0].isfinite().flatten(1).all(1)
        if not finite_T.all():
            frame = first + int(finite_T.int().argmin())
            raise ShardError(
                f"{self._dataset.files.where()}: trajectory {self.key}, frame {frame}: values are not "
                "finite; build the dataset again: walrus-ingest leaves such trajectories out"
            )
        return batch

    def physical(self, frames_TCHWD: Tensor, window: Batch) -> Tensor:
        """Frames in the units and channels of a window as [T, C, *S], float64 in physical units, padded
        channels left out.
        """
        scaled = frames_TCHWD.double() * window.scale_C.double()[:, None, None, None]
        return scaled[:, ~window.padded_C].reshape(len(scaled), *self._dataset.card.schema.frame_shape)

    def read(self, first: int, frames: int) -> Tensor:
        """[T, C, *S] frames from `first` on, in physical units."""
        window = self.window(first, frames)
        return self.physical(window.fields_BTCHWD[0], window)

    def frame(self, number: int) -> Frames:
        """[C, *S] one frame in physical units, as a numpy array."""
        values: Frames = self.read(number, 1)[0].cpu().numpy()
        return values

    @cached_property
    def solid(self) -> npt.NDArray[np.bool_]:
        """[*S] True inside obstacles."""
        cells_S = self._dataset.boundary(self._entry)
        solid_S: npt.NDArray[np.bool_] = (cells_S & np.uint8(Cell.OBSTACLE)) != 0
        return solid_S

    @cached_property
    def fluid(self) -> Tensor | None:
        """[*S] True outside obstacles; None where there are none, or nothing else."""
        solid_S = torch.from_numpy(self.solid)
        return None if solid_S.all() or not solid_S.any() else ~solid_S.to(device())
