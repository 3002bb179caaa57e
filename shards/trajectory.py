"""The document beside the arrays of a trajectory: enough to decode them without the card.

It is the JSON member of a tar sample, and the attribute `walrus` of a zarr group.
"""

from __future__ import annotations

from typing import Literal

from pydantic.dataclasses import dataclass

from shards.codec import CodecName
from shards.spec import STRICT, DType, Sides, Trajectory


@dataclass(frozen=True, config=STRICT)
class Document:
    """One trajectory, or the `frames` of it from `first` on; physical value = stored value x scale of its channel.

    A shard has room for `shard_frames` frames of (shape[0] / chunk[1]) chunks; the last one may hold fewer.
    """

    dataset: str
    trajectory: Trajectory
    first: int
    frames: int
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
    shard_frames: int
    format: Literal[1] = 1
