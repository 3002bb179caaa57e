"""Runs of one array that are filled up to the longest are named, whatever fills them."""

import numpy as np
import pytest

from ingest.drafting.draft import draft
from tests.ingest.layouts.writers import LISTS
from tests.ingest.solvers import T, U, write_hdf5


@pytest.mark.parametrize("filling", [0.0, np.nan, -1.0])
def test_runs_that_are_filled_up_are_told(tmp_path, filling):
    runs = np.stack([U, U + 1, U + 2, U + 3])
    runs[2, T - 2 :] = filling
    text = draft(write_hdf5(tmp_path / "runs.h5", {"u": runs, **LISTS}))
    assert "# CHECK: in 1 of 4 runs that were read, the last frame of u has one value in all cells" in text


def test_runs_that_end_with_fields_are_not_told(tmp_path):
    text = draft(write_hdf5(tmp_path / "runs.h5", {"u": np.stack([U, U + 1, U + 2, U + 3]), **LISTS}))
    assert "has one value in all cells" not in text


def test_a_time_too_many_may_be_the_first_or_the_last(tmp_path):
    times = {"t": np.arange(T + 1) * 0.5}
    text = draft(write_hdf5(tmp_path / "run.h5", {"u": U, **LISTS, **times}))
    assert "the last is left out; if the first has no frame, write start = 0.5, stop = 3.0" in text
