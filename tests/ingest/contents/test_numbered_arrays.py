"""Which of several attributes is the time of a state."""

import h5py

from ingest.contents.numbered_arrays import attributes_of_time
from ingest.formats.open_any import open_arrays


def test_a_time_comes_before_what_may_be_a_temperature_and_before_counters(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update({"T": 300.0, "frame": 7, "t": 0.25, "sim_time": 0.5, "title": "run"})
    with open_arrays(tmp_path / "a.h5") as arrays:
        assert attributes_of_time(arrays, "") == ["sim_time", "t", "T", "frame"]
