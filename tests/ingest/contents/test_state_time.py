"""Where the time of a single state is: each place that programs use, as a recipe states it."""

import h5py
import numpy as np
import pytest

from ingest.contents.listing import list_arrays
from ingest.contents.state_time import time_of_state, words_of_time
from ingest.formats.open_any import open_arrays


@pytest.mark.parametrize("stored", ["@time", "state@t", "timeData@vsTime", "time", "info/sim_time", ""])
def test_the_time_of_a_state_is_found(tmp_path, stored):
    path, at, name = stored.partition("@")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["state/rho"] = np.zeros((9, 7))
        # A counter next to the time is not taken for it.
        file["nested/frame"] = 30
        if at:
            (file.require_group(path) if path else file).attrs[name] = 1.5
        elif path:
            file[path] = 1.5
    with open_arrays(tmp_path / "a.h5") as arrays:
        found = time_of_state(arrays, list_arrays(arrays, tmp_path / "a.h5"))
        assert found == (stored or "nested/frame")
        assert words_of_time(arrays, found).endswith("= 1.5)" if stored else "= 30)")
