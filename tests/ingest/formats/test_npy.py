"""npy files, and arrays in Fortran order in npy and npz."""

import numpy as np
import pytest

from ingest.formats import npz
from ingest.formats.open_any import open_arrays
from shards.errors import SourceError
from tests.ingest.solvers import U


@pytest.mark.parametrize("order", [np.ascontiguousarray, np.asfortranarray])
@pytest.mark.parametrize("kind", ["npy", "npz", "packed"])
@pytest.mark.parametrize("dtype", ["f8", "f2", ">i4"])
def test_order_and_kind_of_file_change_no_value(tmp_path, order, kind, dtype):
    values = order((100 * U).astype(dtype))
    path = tmp_path / ("a.npy" if kind == "npy" else "a.npz")
    if kind == "npy":
        np.save(path, values)
    else:
        (np.savez_compressed if kind == "packed" else np.savez)(path, data=values)
    with open_arrays(path) as arrays:
        assert arrays.names() == ("data",)
        array = arrays.array("data")
        assert (array.shape, array.dtype) == (values.shape, values.dtype)
        for index in (
            (slice(2, 5), slice(None), slice(1, 3)),
            (4, slice(None), 2),
            (slice(0, 0), 3, 3),
            (1, 2, 3),
        ):
            np.testing.assert_array_equal(array.slab(*index), values[index])


def test_a_large_array_in_fortran_order_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "FORTRAN_BYTES", 100)
    np.save(tmp_path / "a.npy", np.asfortranarray(U))
    with (
        open_arrays(tmp_path / "a.npy") as arrays,
        pytest.raises(SourceError, match="in Fortran order"),
    ):
        arrays.array("data")


def test_a_cut_npy_file_is_told(tmp_path):
    np.save(tmp_path / "a.npy", U)
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content[:-8])
    with (
        pytest.raises(SourceError, match="the header and the data disagree"),
        open_arrays(tmp_path / "a.npy"),
    ):
        pass


def test_objects_that_need_pickle_are_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object))
    with pytest.raises(SourceError, match="expected integers or floats"), open_arrays(tmp_path / "a.npy"):
        pass


def test_the_array_has_one_name(tmp_path):
    np.save(tmp_path / "a.npy", U)
    with open_arrays(tmp_path / "a.npy") as arrays, pytest.raises(SourceError, match="is called data"):
        arrays.array("u")
