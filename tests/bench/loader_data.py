"""The same fields for every loader of the benchmark: smooth waves with a little noise, in the layout of each.

    <case>/frames.npy     [N, T, C, *S], trajectories as they are: the source of all others, and of the checks
    <case>/windows.json   the windows to read, in random order
    <case>/well.hdf5      as The Well keeps them: one dataset per field, contiguous
    <case>/chunked.hdf5   one dataset, one chunk per frame
    <case>/windows.tar    the windows cut in advance, for webdataset
    <case>/<name>/        ours: one root per codec and packaging

Axes: N trajectory, T time, C channel, S space.
"""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from shards.card import Card
from shards.codec import CodecName, rounded
from shards.convert import convert
from shards.publish import publish
from shards.read import Dataset
from shards.schema import Boundary, FieldSpec, Grid, Origin, Schema, Trajectory, side_mask
from shards.shard import chunk_shape, shard_stream, single_chunk_shard
from shards.trajectory_document import TrajectoryDocument
from shards.write import EncodedTrajectory, part_writer

Array = npt.NDArray[np.float32]

HISTORY = 6
LARGEST_STRIDE = 5
NAME = "waves"
KEPT_BITS = 12
# Of ours: name of the root to (packaging, codec, mantissa bits kept).
OURS: dict[str, tuple[str, CodecName, int]] = {
    "zarr-raw": ("zarr", "raw", 23),
    "zarr-lz4": ("zarr", "lz4", 23),
    "zarr-zstd": ("zarr", "zstd", 23),
    "zarr-lz4-rounded": ("zarr", "lz4", KEPT_BITS),
}


@dataclass(frozen=True)
class Case:
    """One set of trajectories."""

    name: str
    trajectories: int
    frames: int
    frame_shape: tuple[int, ...]
    windows: int

    @property
    def window_bytes(self) -> int:
        return 4 * (HISTORY + 1) * int(np.prod(self.frame_shape))


CASES = (Case("2D", 4, 80, (4, 128, 384), 48), Case("3D", 2, 50, (6, 64, 64, 64), 8))
SMALL_CASES = (Case("2D", 2, 20, (2, 16, 24), 6), Case("3D", 2, 12, (2, 8, 16, 12), 4))


def make(case: Case, folder: Path) -> None:
    """Writes every layout that this environment can; does nothing where that was done."""
    if (folder / "windows.json").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    fields = waves(case)
    np.save(folder / "frames.npy", fields)
    _write_well(fields, folder / "well")
    with h5py.File(folder / "chunked.hdf5", "w") as file:
        file.create_dataset("fields", data=fields, chunks=(1, 1, *case.frame_shape))
    for name, (packaging, codec, bits) in OURS.items():
        write_ours(rounded(fields, bits), folder / name, packaging, codec)
    for codec in ("raw", "lz4"):
        convert(Dataset(folder / f"zarr-{codec}" / NAME), "webdataset", folder / f"webdataset-{codec}")
    windows = _windows(case)
    _write_tar(fields, windows, folder / "windows.tar")
    (folder / "windows.json").write_text(json.dumps(windows))


def waves(case: Case) -> Array:
    """[N, T, C, *S], of RMS about 1, so that shards divide by 2^0 and hold the very numbers."""
    chance = np.random.default_rng(7)
    cells = np.meshgrid(*(np.linspace(0, 6, size) for size in case.frame_shape[1:]), indexing="ij")
    fields = np.empty((case.trajectories, case.frames, *case.frame_shape), np.float32)
    for trajectory in fields:
        speed = chance.uniform(0.05, 0.2)
        wave = chance.uniform(0.5, 2.0, (case.frame_shape[0], len(cells)))
        phase_CS = np.tensordot(wave, np.array(cells), 1).astype(np.float32)
        for time, frame in enumerate(trajectory):
            noise = chance.standard_normal(case.frame_shape, np.float32)
            frame[:] = 1.4 * np.sin(phase_CS - np.float32(speed * time)) + 0.01 * noise
    return fields


def _windows(case: Case) -> list[tuple[int, int, int]]:
    """(trajectory, first, stride) of windows in random order."""
    chance = np.random.default_rng(11)
    result = []
    for _ in range(case.windows):
        stride = int(chance.integers(1, min(LARGEST_STRIDE, (case.frames - 1) // HISTORY) + 1))
        first = int(chance.integers(case.frames - HISTORY * stride))
        result.append((int(chance.integers(case.trajectories)), first, stride))
    return result


def _write_well(fields: Array, folder: Path) -> None:
    """One file, as section `the Well` of its documentation has them: scalar fields, periodic axes."""
    trajectories, frames, channels, *space = fields.shape
    axes = "xyz"[: len(space)]
    data = folder / "data" / "train"
    data.mkdir(parents=True)
    with h5py.File(data / "waves.hdf5", "w") as file:
        file.attrs.update(
            dataset_name=NAME, grid_type="cartesian", n_spatial_dims=len(space), n_trajectories=trajectories
        )
        file.attrs["simulation_parameters"] = np.array([], "S1")
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = list(axes)
        times = dimensions.create_dataset("time", data=np.arange(frames, dtype="f4"))
        times.attrs.update(sample_varying=False, time_varying=True)
        for axis, size in zip(axes, space, strict=True):
            coordinate = dimensions.create_dataset(axis, data=np.linspace(0, 6, size, dtype="f4"))
            coordinate.attrs.update(sample_varying=False, time_varying=False)
        conditions = file.create_group("boundary_conditions")
        for axis, size in zip(axes, space, strict=True):
            condition = conditions.create_group(f"{axis}_periodic")
            condition.attrs.update(
                associated_dims=[axis], bc_type="PERIODIC", sample_varying=False, time_varying=False
            )
            mask = np.zeros(size, bool)
            mask[[0, -1]] = True
            condition.create_dataset("mask", data=mask)
        file.create_group("scalars").attrs["field_names"] = np.array([], "S1")
        for rank in range(3):
            group = file.create_group(f"t{rank}_fields")
            group.attrs["field_names"] = (
                [f"u{n}" for n in range(channels)] if rank == 0 else np.array([], "S1")
            )
            for channel in range(channels if rank == 0 else 0):
                field = group.create_dataset(f"u{channel}", data=fields[:, :, channel])
                field.attrs.update(dim_varying=[True] * len(space), sample_varying=True, time_varying=True)


def write_ours(fields: Array, root: Path, packaging: str, codec: CodecName) -> None:
    """Writes the fields [N, T, C, *S] as a dataset in a packaging and a codec."""
    frames, channels, *space = fields.shape[1:]
    grid = Grid(tuple("xyz"[: len(space)]), tuple(tuple(np.linspace(0, 6, size).tolist()) for size in space))
    periodic = ((Boundary.PERIODIC, Boundary.PERIODIC),) * len(space)
    schema = Schema(tuple(FieldSpec(f"u{channel}") for channel in range(channels)), grid, periodic)
    chunk = chunk_shape(schema.frame_shape, 4)
    writer = part_writer(packaging, root / NAME, "train", "train-00000", grid)
    entries = []
    for number, trajectory in enumerate(fields):
        times = tuple(float(time) for time in range(frames))
        document = TrajectoryDocument(
            dataset=NAME,
            trajectory=Trajectory(f"waves-{number:05d}", "train", Origin("waves", number), times, {}),
            first=0,
            frames=frames,
            axes=grid.axes,
            shape=grid.shape,
            boundaries=periodic,
            channels=schema.channels,
            scale=(1.0,) * channels,
            static_channels=(),
            static_scale=(),
            dtype="float32",
            codec=codec,
            chunk=chunk,
            shard_frames=frames,
        )
        shard = shard_stream(iter(trajectory), frames * (space[0] // chunk[1]), chunk, codec)
        boundary = single_chunk_shard(side_mask(grid.shape, periodic), codec)
        entries.append(writer.add(EncodedTrajectory(document, [(frames, shard)], boundary, None)))
    card = Card(
        name=NAME,
        title="Waves",
        source="arrays",
        schema=schema,
        powers={field.name: 0 for field in schema.fields},
        codec=codec,
        chunk=chunk,
        moments={},
        counts={},
        licence="",
        citation="",
        home="",
        note="",
        correction="",
        differences=(),
        repeated_frames=0,
        quarantine=(),
        inputs=(),
        recipe_digest="",
    )
    publish(root / NAME, card, packaging, writer.close(), tuple(entries))


def _write_tar(fields: Array, windows: list[tuple[int, int, int]], path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        for number, (trajectory, first, stride) in enumerate(windows):
            content = io.BytesIO()
            np.save(content, fields[trajectory, first : first + HISTORY * stride + 1 : stride])
            info = tarfile.TarInfo(f"{number:05d}.npy")
            info.size = content.tell()
            content.seek(0)
            tar.addfile(info, content)


def frame_sums(fields: Array) -> npt.NDArray[np.uint64]:
    """A number for each frame [..., C, *S] that changes with any bit of it: the sum of its words."""
    words = np.ascontiguousarray(fields).view(np.uint32)
    return words.reshape(*words.shape[:2], -1).sum(axis=2, dtype=np.uint64)
