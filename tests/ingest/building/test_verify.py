"""Shards against their source files: any bit that differs is found."""

import h5py
import numpy as np
import pytest

from ingest.building.verify import source_faults
from shards.read import Dataset


@pytest.fixture(params=["zarr", "webdataset"])
def dataset(request, good, build, tmp_path) -> Dataset:
    assert build("--format", request.param).exit_code == 0
    return Dataset(tmp_path / "root" / "waves")


def faults(dataset, waves) -> list[str]:
    return list(source_faults(dataset, waves.source))


def test_what_was_just_built_is_equal_to_its_source(dataset, good):
    assert faults(dataset, good) == []


@pytest.mark.parametrize(
    ("name", "index", "words"),
    [
        ("t0_fields/height", (1, 3, 2, 1), "frames 0 to 4 differ"),
        ("t1_fields/flow", (1, 0, 5, 3, 1), "frames 0 to 4 differ"),
        ("t0_fields/depth", (1, 5, 3), "a constant field differs"),
    ],
)
def test_the_last_bit_of_a_value_is_compared(dataset, good, name, index, words):
    with h5py.File(good.source / "valid" / "one.hdf5", "r+") as file:
        file[name][index] = np.nextafter(file[name][index], np.float32(9))
    (fault,) = faults(dataset, good)
    assert "valid/one.hdf5, row 1 (valid/one-00001)" in fault
    assert words in fault


def test_minus_zero_is_not_zero(waves, build, tmp_path):
    height = np.tile(np.arange(5, dtype="f4").reshape(1, 5, 1, 1), (3, 1, 6, 4))
    waves.write("train/one", height=height)
    assert build().exit_code == 0
    with h5py.File(waves.source / "train" / "one.hdf5", "r+") as file:
        file["t0_fields/height"][0, 0, 0, 0] = -0.0
    assert len(faults(Dataset(tmp_path / "root" / "waves"), waves)) == 1


def test_times_parameters_boundaries_and_missing_files_are_told(dataset, good):
    with h5py.File(good.source / "valid" / "one.hdf5", "r+") as file:
        file["dimensions/time"][-1] = 2.25
    with h5py.File(good.source / "test" / "one.hdf5", "r+") as file:
        file["boundary_conditions/y"].attrs["bc_type"] = "OPEN"
    (good.source / "train" / "two.hdf5").unlink()
    good.write("train/one", rows=2)
    found = faults(dataset, good)
    assert [fault.rsplit(": ", 1)[1] for fault in found] == [
        "the file does not hold these 5 frames any more",
        f"is not below {good.source}",
        *["times or parameters differ"] * 2,
        *["the boundary mask differs"] * 2,
    ]


def test_a_damaged_source_file_is_a_fault_and_not_the_end(dataset, good):
    path = good.source / "train" / "one.hdf5"
    path.write_bytes(path.read_bytes()[:3000])
    (fault,) = faults(dataset, good)
    assert str(path) in fault
