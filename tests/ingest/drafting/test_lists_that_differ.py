"""A draft says where trajectories of a file have other positions than the first: a dataset has one grid."""

import h5py
import numpy as np
import pytest

from ingest.drafting.draft import draft
from tests.ingest.layouts.writers import CELLS
from tests.ingest.solvers import TIME, U, X, write_hdf5

SAID = "2 of the 3 lists differ from the first, but a dataset has one grid"


@pytest.mark.parametrize("widths", [(1, 1, 1), (1, 2, 3)])
def test_lists_of_samples_that_differ_are_told(tmp_path, widths):
    x = np.stack([width * np.linspace(0.0, 1.0, X) for width in widths])
    values = np.stack([U[:, :, 0] + run for run in range(3)])
    text = draft(write_hdf5(tmp_path / "a.h5", {"u": values, "x": x, "t": TIME}))
    assert "CHECK: the first list of x, read as evenly spaced cell centres" in text
    assert (SAID in text) == (widths[1] != 1)


@pytest.mark.parametrize("width", [1, 2])
def test_lists_of_groups_that_differ_are_told(tmp_path, width):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for run, factor in enumerate((1, width, width)):
            file[f"run_{run}/u"], file[f"run_{run}/t"] = U + run, TIME
            file[f"run_{run}/x"], file[f"run_{run}/y"] = factor * CELLS["x"], CELLS["y"]
    text = draft(tmp_path / "a.h5")
    assert 'x = { stored = "*/x" }' in text
    assert (SAID in text) == (width != 1)
    assert ('x = { stored = "*/x" }  # CHECK: 9 cells' in text) == (width != 1)
