"""Attributes of an array may name its axes, as TIFF, NeXus and scripts write them."""

import h5py
import numpy as np
import pytest

from ingest.drafting.draft import draft
from tests.ingest.solvers import U, write_hdf5


@pytest.mark.parametrize(
    ("name", "value", "is_taken"),
    [
        ("axes", "y,x,t", True),
        ("axes", "YXT", True),
        ("dims", ["y", "x", "time"], True),
        ("axis_order", "(y, x, t)", True),
        ("axes", "y:x", False),
        ("axes", "major,minor,t", False),
    ],
)
def test_an_attribute_names_the_axes_if_it_has_a_known_name_for_each(tmp_path, name, value, is_taken):
    path = write_hdf5(tmp_path / "a.h5", {"u": np.moveaxis(U, 0, 2).swapaxes(0, 1)})
    with h5py.File(path, "a") as file:
        file["u"].attrs[name] = value
    text = draft(path)
    assert ('\naxes = ["y", "x"]\n' in text) == is_taken
    assert ('\nlayout = "y x t"  #' in text) == is_taken
    assert ("no list of times, no name and no attribute says which axis is time" in text) != is_taken
