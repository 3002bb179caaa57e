"""The document next to the arrays of a trajectory; it is enough to decode them without the card.

It is the JSON member of a tar sample, and the attribute `walrus` of a zarr group.
"""

from __future__ import annotations

import numpy as np
from pydantic import model_validator

from shards.codec import CodecName
from shards.format_version import FORMAT, Format
from shards.schema import AtLeastOne, DType, Frames, Natural, Sides, Trajectory, checked
from shards.shard import cuts_the_frame


@checked
class TrajectoryDocument:
    """A trajectory, or `frames` of its frames from `first` on.

    Physical value = stored value x scale of its channel. A shard has room for `shard_frames` frames of
    shape[0] / chunk[1] chunks each; the last shard may hold fewer frames.
    """

    dataset: str
    trajectory: Trajectory
    first: Natural
    frames: AtLeastOne
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    boundaries: tuple[Sides, ...]
    channels: tuple[str, ...]
    scale: tuple[float, ...]
    static_channels: tuple[str, ...]
    static_scale: tuple[float, ...]
    dtype: DType
    codec: CodecName
    chunk: tuple[int, ...]
    shard_frames: AtLeastOne
    format: Format = FORMAT

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> TrajectoryDocument:
        """Raises ValueError if frames, chunk or scales do not fit each other."""
        if self.first + self.frames > self.trajectory.frames:
            raise ValueError(
                f"{self.frames} frames from {self.first} on, of a trajectory with {self.trajectory.frames}"
            )
        if not cuts_the_frame(self.chunk, (len(self.channels), *self.shape)):
            raise ValueError(
                f"chunk {list(self.chunk)} does not cut frames [{len(self.channels)}, *{list(self.shape)}]"
            )
        if (len(self.scale), len(self.static_scale)) != (len(self.channels), len(self.static_channels)):
            raise ValueError("not one scale per channel")
        return self

    @property
    def checked_chunks(self) -> bool:
        """Whether every chunk ends in its checksum."""
        return self.format >= 2

    def column(self, scale: tuple[float, ...]) -> Frames:
        """`scale` or `static_scale` as an array [C, 1, ...] by which stored values are multiplied."""
        return np.array(scale, self.dtype).reshape(-1, *(1 for _ in self.shape))
