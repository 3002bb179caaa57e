"""Decodes a sample of the tar packaging, for users who iterate it with plain webdataset.

webdataset.WebDataset("train/train-00000.tar", shardshuffle=False).map(decode_sample)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shards.errors import ShardError
from shards.json_text import parse
from shards.schema import Frames, Grid, Mask
from shards.shard import Shard, chunk_ranges
from shards.trajectory_document import TrajectoryDocument


@dataclass(frozen=True)
class TarSample:
    """Frames [T, C, *S] and constant fields [C, *S] in physical units, boundary bits [*S]."""

    document: TrajectoryDocument
    grid: Grid
    fields_TCS: Frames
    static_CS: Frames
    boundary_S: Mask


def decode_sample(sample: Mapping[str, bytes]) -> TarSample:
    """Decodes one sample, and never unpickles anything; raises ShardError if it is damaged."""
    where = str(sample.get("__key__", "sample"))
    document, grid = parse(TrajectoryDocument, sample["json"], where), parse(Grid, sample["grid.json"], where)
    boundary = _room(document.shape, "uint8")
    _open(sample["boundary.shard"], 1, document).chunk_into(0, boundary)
    return TarSample(
        document, grid, _fields(sample["fields.shard"], document), _static(sample, document), boundary
    )


def _fields(data: bytes, document: TrajectoryDocument) -> Frames:
    shard = _open(data, document.shard_frames * (document.shape[0] // document.chunk[1]), document)
    fields = _room((document.frames, len(document.channels), *document.shape), document.dtype)
    for frame, out_CS in enumerate(fields):
        shard.frame_into(frame, document.chunk, document.dtype, out_CS)
    fields *= document.column(document.scale)
    return fields


def _static(sample: Mapping[str, bytes], document: TrajectoryDocument) -> Frames:
    static = _room((len(document.static_channels), *document.shape), document.dtype)
    if document.static_channels:
        _open(sample["static.shard"], 1, document).chunk_into(0, static)
    static *= document.column(document.static_scale)
    return static


def _room(shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError) as error:
        raise ShardError(f"the sample declares an array {list(shape)} of {dtype}: {error}") from error


def _open(data: bytes, slots: int, document: TrajectoryDocument) -> Shard:
    view = memoryview(data)
    return Shard(view, chunk_ranges(view, slots), document.codec, document.checked_chunks)
