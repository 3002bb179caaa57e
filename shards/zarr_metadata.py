"""Writes the `zarr.json` documents of a trajectory (zarr v3): zarr and xarray open it without our code.

The reasons for leaving out consolidated metadata are in docs/decisions/0127-no-consolidated-metadata.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from shards.card import Card
from shards.codec import zarr_codecs
from shards.json_text import to_text
from shards.schema import Grid, Split
from shards.trajectory_document import TrajectoryDocument

# A part of a JSON document of zarr.
Document = dict[str, Any]
GROUP = "zarr.json"
CRC = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]


def group(document: TrajectoryDocument) -> str:
    """The document of the group; its attribute `walrus` is the trajectory's document."""
    attributes = {"walrus": TypeAdapter(TrajectoryDocument).dump_python(document, mode="json")}
    return to_text({"zarr_format": 3, "node_type": "group", "attributes": attributes})


def parents(card: Card, splits: Iterable[Split]) -> dict[str, str]:
    """Path to document for the groups above the trajectories: the dataset, and each split."""
    units = (
        "values of fields and static are divided by scale, an attribute of each: "
        "multiply to have physical ones"
    )
    attributes = {"title": card.title, "units": units, "card": "card.json"}
    dataset = {GROUP: to_text({"zarr_format": 3, "node_type": "group", "attributes": attributes})}
    plain = to_text({"zarr_format": 3, "node_type": "group", "attributes": {}})
    return dataset | {f"{split}/{GROUP}": plain for split in sorted(splits)}


def arrays(document: TrajectoryDocument, grid: Grid) -> dict[str, str]:
    """Path to document for each array; the outer chunk of `fields` holds `shard_frames` frames."""
    shape, axes = document.shape, list(document.axes)
    channels, static_channels = list(document.channels), list(document.static_channels)
    fields = _sharded(
        (document.frames, len(channels), *shape),
        (document.shard_frames, len(channels), *shape),
        (1, *document.chunk),
        document,
        ["time", "channel", *axes],
        {"channels": channels, "scale": list(document.scale)},
    )
    boundary = _sharded(
        shape, shape, shape, document, axes, {"bits": "1 wall, 2 open, 4 periodic, 8 obstacle"}, "uint8"
    )
    result = {"fields": fields, "boundary": boundary, "time": _coordinate("time", document.frames, {})}
    if static_channels:
        whole = (len(static_channels), *shape)
        names = {"channels": static_channels, "scale": list(document.static_scale)}
        result["static"] = _sharded(whole, whole, whole, document, ["static_channel", *axes], names)

    for axis, widths in zip(grid.axes, grid.widths, strict=True):
        # Widths are an attribute: an array would add two files per axis to every trajectory.
        result[axis] = _coordinate(axis, len(widths), {"width": list(widths)})
    return {path: to_text(array) for path, array in result.items()}


def _sharded(
    shape: tuple[int, ...],
    outer: tuple[int, ...],
    inner: tuple[int, ...],
    document: TrajectoryDocument,
    dimension_names: list[str],
    attributes: Document,
    dtype: str = "",
) -> Document:
    """The metadata of an array whose outer chunk is a shard of `inner` chunks (shards/shard.py)."""
    dtype = dtype or document.dtype
    sharding = {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": list(inner),
            "codecs": zarr_codecs(
                document.codec, np.dtype(dtype).itemsize, checked_chunks=document.checked_chunks
            ),
            "index_codecs": CRC,
            "index_location": "end",
        },
    }
    return _array(shape, outer, dtype, [sharding], dimension_names, attributes)


def _coordinate(name: str, size: int, attributes: Document) -> Document:
    plain = [{"name": "bytes", "configuration": {"endian": "little"}}]
    return _array((size,), (size,), "float64", plain, [name], attributes)


def _array(
    shape: tuple[int, ...],
    chunk: tuple[int, ...],
    dtype: str,
    codecs: list[Document],
    dimension_names: list[str],
    attributes: Document,
) -> Document:
    """The metadata of one array; no chunk is ever missing, so the fill value is never read."""
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0 if dtype == "uint8" else 0.0,
        "codecs": codecs,
        "dimension_names": dimension_names,
        "attributes": attributes,
    }
