"""A draft says where two places state other times of the same states, and which of them it takes."""

import h5py
import pytest

from ingest.drafting.draft import draft
from tests.ingest.layouts.writers import LISTS
from tests.ingest.solvers import TIME, T, U, write_hdf5


@pytest.mark.parametrize(
    ("attributes", "is_told"),
    [
        ({"time": lambda step: 1.0 * step}, True),
        ({"time": lambda step: TIME[step]}, False),
        ({"time_ms": lambda step: 1000 * TIME[step]}, False),
        # A number that is the same in all states, and one that counts them, are no times.
        ({"time": lambda step: TIME[step], "vs_time": lambda _: 300.0, "frame": lambda step: step}, False),
    ],
)
def test_an_array_and_an_attribute_with_other_times_are_told(tmp_path, attributes, is_told):
    for step in range(T):
        numbers = {name: value(step) for name, value in attributes.items()}
        path = write_hdf5(
            tmp_path / f"out_{step:03d}.h5", {"u": U[step], **LISTS, "time": TIME[step]}, **numbers
        )
        with h5py.File(path, "a") as file:
            del file["t"]
            file["time"].attrs["units"] = "s"
    said = "# CHECK: time contradicts @time, which is taken: 0.25 and 1 in out_001.h5.\n[time]\n"
    text = draft(tmp_path)
    assert (said in text) == is_told
    assert ("contradicts" in text) == is_told


@pytest.mark.parametrize("step_of_attribute", [1.0, 0.25])
def test_groups_of_states_with_other_times_are_told(tmp_path, step_of_attribute):
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file["x"], file["y"] = LISTS["x"], LISTS["y"]
        for step in range(T):
            group = file.create_group(f"step_{step}")
            group["u"], group["time"] = U[step], TIME[step]
            group.attrs["time"] = step_of_attribute * step
    said = "# CHECK: step_{step}@time contradicts step_{step}/time, which is taken: 1 and 0.25 in step 1.\n"
    assert (said in draft(tmp_path / "run.h5")) == (step_of_attribute != 0.25)
