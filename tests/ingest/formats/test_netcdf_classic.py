"""Classic NetCDF in its three versions, compared with scipy's or netCDF4's own reading."""

import os

import netCDF4
import numpy as np
import pytest

from ingest.formats.arrays import whole
from ingest.formats.netcdf_header import end_of_data
from ingest.formats.open_any import open_arrays
from shards.errors import SourceError
from tests.ingest.solvers import CENTRES_X, TIME, U, V, write_netcdf

KINDS = ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA")


def write(path, kind: str, still: bool = False):
    """Two variables with records (or without), in other types, one with a length that is padded."""
    time = "step" if still else "time"
    arrays = {
        "u": ((time, "x", "y"), U),
        "short": ((time, "y"), np.rint(100 * V[:, 0]).astype("i2")),
        "x": (("x",), CENTRES_X.astype("f4")),
        "time": ((time,), TIME),
    }
    return write_netcdf(path, arrays, kind)


@pytest.mark.parametrize("still", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_version_gives_what_was_written(tmp_path, kind, still):
    with open_arrays(write(tmp_path / "a.nc", kind, still)) as arrays:
        assert arrays.names() == ("short", "time", "u", "x")
        np.testing.assert_array_equal(arrays.array("u").slab(slice(1, 4), 3, slice(None)), U[1:4, 3])
        np.testing.assert_array_equal(whole(arrays.array("short")), np.rint(100 * V[:, 0]))
        assert arrays.dimensions("u") == ("step" if still else "time", "x", "y")
        assert arrays.array("x").dtype == np.float32


@pytest.mark.parametrize("still", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_cut_is_refused_and_not_read_as_zeros(tmp_path, kind, still):
    path = write(tmp_path / "a.nc", kind, still)
    with path.open("rb") as file:
        end = end_of_data(file)
    # The last record may be padded.
    assert 0 <= path.stat().st_size - end < 4
    for length in (end - 1, end // 2, 40, 5):
        os.truncate(path, length)
        with pytest.raises(SourceError, match=r"truncated|damaged header"), open_arrays(path):
            pass


def test_one_variable_with_records_is_not_padded(tmp_path):
    """A rule of its own in the format."""
    path = write_netcdf(tmp_path / "a.nc", {"u": (("time", "y"), np.ones((5, 7), "i1"))}, "NETCDF3_CLASSIC")
    with path.open("rb") as file:
        end = end_of_data(file)
    assert 0 <= path.stat().st_size - end < 4
    with open_arrays(path) as arrays:
        assert arrays.array("u").shape == (5, 7)


def test_attributes_are_decoded(tmp_path):
    path = write(tmp_path / "a.nc", KINDS[0])
    with netCDF4.Dataset(path, "r+") as file:
        file["short"].setncatts({"scale_factor": 0.01, "units": "m s-1"})
    with open_arrays(path) as arrays:
        np.testing.assert_allclose(whole(arrays.array("short")), V[:, 0], atol=0.006)
        assert arrays.attributes("short")["units"] == "m s-1"
        assert arrays.attribute("short", "scale_factor") == 0.01


def test_other_bytes_after_the_magic_are_told(tmp_path):
    (tmp_path / "a.nc").write_bytes(b"CDF\x01" + b"\xff" * 100)
    with pytest.raises(SourceError, match="damaged header of classic NetCDF"), open_arrays(tmp_path / "a.nc"):
        pass


def test_reading_it_changes_nothing_of_what_h5py_can_decode(tmp_path, monkeypatch):
    monkeypatch.delenv("HDF5_PLUGIN_PATH", raising=False)
    with open_arrays(write(tmp_path / "a.nc", KINDS[0])):
        assert "HDF5_PLUGIN_PATH" not in os.environ
