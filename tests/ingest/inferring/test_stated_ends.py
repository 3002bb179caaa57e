"""Ends of axes that attributes state, as pyro and PyClaw do."""

import h5py
import pytest

from ingest.drafting.draft import draft
from tests.ingest.layouts.programs import pyro_states
from tests.ingest.solvers import TIME, T, U, write_hdf5


def test_ends_in_a_group_called_grid_are_drafted(tmp_path):
    text = draft(pyro_states(tmp_path, {"density": U}))
    assert "\nx = { lower = 0.0, upper = 2.0 }  # CHECK: the ends of the cells, from grid@xmin and" in text
    assert "\ny = { lower = 0.0, upper = 1.0 }" in text


@pytest.mark.parametrize("upper", [2.5, -2.5])
def test_ends_next_to_a_field_are_drafted_if_they_are_in_order(tmp_path, upper):
    for step in range(T):
        path = write_hdf5(tmp_path / f"claw{step:04d}.hdf", {"patch1/q": U[step]})
        with h5py.File(path, "a") as file:
            file["patch1"].attrs.update({"t": TIME[step], "x.lower": -2.5, "x.upper": upper})
    line = "\nx = { lower = -2.5, upper = 2.5 }  # CHECK: the ends of the cells, from patch1@x.lower and"
    assert (line in draft(tmp_path)) == (upper > 0)
