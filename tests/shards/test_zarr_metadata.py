"""Zarr and xarray open a trajectory without a line of our code."""

from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr

from shards.read import Dataset

KEY = "acoustic_scattering_discontinuous_chunk_0-00001"


@pytest.fixture(
    params=[
        ("lz4", 5, 4),
        ("zstd", 5, 4),
        ("raw", 5, 4),
        ("lz4", 24, 1),
        ("lz4", 7, 16),
        ("raw", 23, 2),
    ],
    ids=lambda case: "codec {}, {} frames a shard, {} chunks a frame".format(*case),
    scope="module",
)
def case(request, built, tmp_path_factory) -> tuple[Path, int, int]:
    codec, shard_frames, pieces = request.param
    return built(tmp_path_factory.mktemp("case"), "zarr", codec, shard_frames, pieces), shard_frames, pieces


def column(scale) -> np.ndarray:
    return np.array(scale, "f4").reshape(-1, 1, 1)


def test_zarr_reads_the_values_that_h5py_reads(case, raw):
    folder, shard_frames, pieces = case
    group = zarr.open_group(folder / "valid" / KEY, mode="r")
    assert set(group.array_keys()) == {"fields", "static", "boundary", "time", "x", "y"}
    fields, expected = group["fields"], raw(1)
    assert fields.shape == (24, 3, 64, 48)
    assert fields.chunks == (1, 3, 64 // pieces, 48)
    assert fields.shards == (shard_frames, 3, 64, 48)
    assert (fields[:] * column(fields.attrs["scale"])).tobytes() == expected.frames.tobytes()
    static = group["static"]
    assert (static[:] * column(static.attrs["scale"])).tobytes() == expected.static.tobytes()
    np.testing.assert_array_equal(group["time"][:], expected.time)
    np.testing.assert_array_equal(group["x"][:], expected.x)
    np.testing.assert_array_equal(group["y"][:], expected.y)


def test_our_reader_and_zarr_read_the_same(case):
    folder = case[0]
    dataset = Dataset(folder)
    for entry in dataset.entries("valid"):
        array = zarr.open_array(folder / "valid" / entry.key / "fields", mode="r")
        ours = np.empty(array.shape, "f4")
        dataset.read_frames(entry, range(24), ours)
        assert array[:].tobytes() == ours.tobytes()
        assert array[22:, 1, 10:50:7].tobytes() == ours[22:, 1, 10:50:7].tobytes()
        np.testing.assert_array_equal(
            zarr.open(folder / "valid" / entry.key, mode="r")["boundary"][:], dataset.boundary(entry)
        )


def test_xarray_opens_a_trajectory_with_its_dimensions_and_coordinates(pristine, raw):
    with xarray.open_zarr(pristine["zarr"] / "valid" / KEY, consolidated=False) as opened:
        expected = raw(1)
        assert opened["fields"].dims == ("time", "channel", "x", "y")
        assert opened["static"].dims == ("static_channel", "x", "y")
        assert opened["boundary"].dims == ("x", "y")
        assert set(opened.coords) == {"time", "x", "y"}
        assert opened.y.attrs["width"] == pytest.approx([2 / 48] * 48)
        assert opened["fields"].attrs["channels"] == ["pressure", "velocity_x", "velocity_y"]
        assert opened["static"].attrs["channels"] == ["zeros_like_density", "speed_of_sound"]
        assert (
            opened["fields"].values * column(opened["fields"].attrs["scale"])
        ).tobytes() == expected.frames.tobytes()
        # Zeros are values, not gaps: the start of a run has no velocity.
        assert not opened["fields"].isnull().any()
        at = opened["fields"].sel(time=expected.time[7], x=expected.x[60], y=expected.y[3], method="nearest")
        np.testing.assert_array_equal(at * column(at.attrs["scale"]).ravel(), expected.frames[7, :, 60, 3])
        bits = opened["boundary"].values
        assert (bits[0] & 1).all()
        assert (bits[-1] & 2).all()
        assert not (bits & (4 | 8)).any()
        assert bits[1:-1, 1:-1].max() == 0


def test_the_group_says_what_the_trajectory_is(pristine):
    said = zarr.open_group(pristine["zarr"] / "valid" / KEY, mode="r").attrs["walrus"]
    assert said["trajectory"]["key"] == KEY
    assert said["trajectory"]["origin"]["row"] == 1
    assert said["boundaries"] == [[0, 1], [0, 1]]
    assert said["frames"] == 24
