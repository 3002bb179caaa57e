"""Old datasets stay readable, with the same values: a small one of each version is kept next to this test."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import zarr

from shards.convert import convert
from shards.read import Dataset
from shards.verify import faults

KEPT = Path(__file__).parent / "old_formats"
VERSIONS = sorted(path.name for path in KEPT.glob("v*"))
spec = spec_from_file_location("build_small", KEPT / "build.py")
small = module_from_spec(spec)
spec.loader.exec_module(small)


@pytest.fixture(params=VERSIONS)
def version(request) -> Path:
    return KEPT / request.param


@pytest.fixture(params=["zarr", "webdataset"])
def folder(request, version) -> Path:
    return version / request.param / "small"


def check_values(dataset: Dataset) -> None:
    source, card = small.arrays(), dataset.card
    frames = np.stack([source["p"], source["u"], source["v"]], axis=2)
    scale = 2.0 ** np.array(card.schema.per_channel(card.powers))
    for row, split in enumerate(("train", "test")):
        (entry,) = dataset.entries(split)
        out = np.empty((small.T, 3, small.X, small.Y), "f4")
        dataset.read_frames(entry, range(small.T), out)
        np.testing.assert_array_equal(out * scale.reshape(1, 3, 1, 1), frames[row])
        static = dataset.static(entry) * 2.0 ** card.powers["viscosity"]
        np.testing.assert_array_equal(static[0], source["nu"])
        boundary = dataset.boundary(entry)
        assert (boundary[0] & 4).all()
        assert (boundary[:, 0] & 1).all()
        assert (boundary[:, -1] & 2).all()
        trajectory = dataset.document(entry).trajectory
        assert trajectory.time == tuple(source["t"])
        assert trajectory.scalars == {"Re": source["Re"][row]}


def test_every_version_is_kept_in_both_packagings():
    assert VERSIONS[0] == "v1"
    for version in VERSIONS:
        assert {path.name for path in (KEPT / version).iterdir()} == {"zarr", "webdataset"}


def test_the_values_of_an_old_dataset_are_those_of_its_source(folder):
    check_values(Dataset(folder))


def test_an_old_dataset_is_whole(folder):
    assert list(faults(Dataset(folder))) == []


def test_an_old_dataset_becomes_the_other_packaging(folder, tmp_path):
    dataset = Dataset(folder)
    other = {"zarr": "webdataset", "webdataset": "zarr"}[dataset.index.packaging]
    copy = Dataset(convert(dataset, other, tmp_path))
    check_values(copy)
    assert list(faults(copy)) == []


def test_plain_zarr_opens_an_old_dataset(version):
    (place,) = (version / "zarr" / "small" / "train").glob("*/")
    group = zarr.open_group(place, mode="r")
    scale = np.array(group["fields"].attrs["scale"]).reshape(1, 3, 1, 1)
    source = small.arrays()
    np.testing.assert_array_equal(
        group["fields"][:] * scale, np.stack([source["p"][0], source["u"][0], source["v"][0]], axis=1)
    )


def test_plain_zarr_notices_a_flipped_bit_from_format_2_on(tmp_path):
    (place,) = copytree(KEPT / "v2" / "zarr" / "small" / "train", tmp_path / "train").glob("*/")
    path = place / "fields" / "c" / "0" / "0" / "0" / "0"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="checksum"):
        zarr.open_group(place, mode="r")["fields"][:]
