"""Reads windows of one split of one dataset into arrays of the caller.

Axes: T time, C channel, S space.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from shards.errors import MismatchError
from shards.read import Dataset
from shards.schema import Frames, Mask, Split
from shards.shard import WHOLE, Channels, copy_channels
from walrus.reading.frame_cache import FrameStore
from walrus.reading.plan import Window

# Trajectories whose constant fields and boundaries are kept: the windows of a block share them.
KEPT_TRAJECTORIES = 4


class WindowReader:
    """Reads windows of one split of one dataset; raises MismatchError if the split is empty.

    `channels` and `static_channels` say where the channels on disk go in the arrays. Up to `kept_frames`
    decoded frames are kept for windows that share them; for `raw` shards this does not help. Several threads
    may read, but fewer than `kept_frames`, unless that is 0.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: Split,
        kept_frames: int = 0,
        channels: Channels = WHOLE,
        static_channels: Channels = WHOLE,
    ) -> None:
        if not dataset.entries(split):
            raise MismatchError(f"{dataset.files.where()}: has no {split} trajectories; name another split")
        self.dataset = dataset
        self.entries = dataset.entries(split)
        self._channels, self._static_channels = channels, static_channels
        self._kept = FrameStore(kept_frames, dataset.card.schema.frame_shape) if kept_frames else None
        # Windows of a trajectory share its constant fields and boundary: both are decoded once.
        self._static = lru_cache(KEPT_TRAJECTORIES)(lambda number: dataset.static(self.entries[number]))
        self._cells = lru_cache(KEPT_TRAJECTORIES)(lambda number: dataset.boundary(self.entries[number]))

    def read_into(self, window: Window, fields_TCS: Frames, static_CS: Frames, cells_S: Mask) -> None:
        """Fills the arrays: frames and constant fields in stored units, and the boundary bits of each cell.

        The length of `fields_TCS` says how many frames to read.
        """
        self._read_fields(window, fields_TCS)
        copy_channels(self._static(window.trajectory), static_CS, self._static_channels)
        np.copyto(cells_S, self._cells(window.trajectory))

    def _read_fields(self, window: Window, out_TCS: Frames) -> None:
        """Reads the frames of a window, through the cache if there is one."""
        entry = self.entries[window.trajectory]
        frames = range(window.first, window.first + window.stride * len(out_TCS), window.stride)
        if self._kept is None:
            self.dataset.read_frames(entry, frames, out_TCS, self._channels)
            return
        for frame, out_CS in zip(frames, out_TCS, strict=True):
            with self._kept.frame((window.trajectory, frame), self._decode) as frame_CS:
                copy_channels(frame_CS, out_CS, self._channels)

    def _decode(self, key: tuple[int, int], out_CS: Frames) -> None:
        trajectory, frame = key
        self.dataset.read_frames(self.entries[trajectory], [frame], out_CS[None])
