"""Which groups with states in them hold a run each."""

import h5py
import numpy as np
import pytest

from ingest.drafting.draft import draft
from shards.errors import SourceError


def write(path, groups, times, place="time"):
    """States of 9 x 7 cells below each group, its times in an attribute, a header or an array."""
    with h5py.File(path, "w") as file:
        for group, scale in zip(groups, times, strict=True):
            for step in range(6):
                state = file.create_group(f"{group}/snap_{step}")
                state["rho"], state["p"] = np.random.default_rng(step).normal(size=(2, 9, 7))
                if place == "Header":
                    state.create_group("Header").attrs["Time"] = scale * step
                elif place == "array":
                    state["time"] = scale * step
                else:
                    state.attrs["time"] = scale * step
    return path


@pytest.mark.parametrize(
    ("groups", "times", "place"),
    [
        (("a", "b", "c"), (0.25, 0.5, 0.75), "time"),
        (("a", "b"), (0.25, 0.5), "Header"),
        (("data/a", "data/b"), (0.25, 0.5), "array"),
        (("sim_1", "sim_2"), (0.25, 0.25), "time"),
        (("Re100", "Re200"), (0.25, 0.25), "time"),
        (tuple(f"sim_{run}" for run in range(8)), (0.25,) * 8, "time"),
    ],
)
def test_groups_of_states_are_runs_by_their_times_or_by_their_names(tmp_path, groups, times, place):
    path = write(tmp_path / "all.h5", groups, times, place)
    with pytest.raises(
        SourceError, match=f"{', '.join(groups[:3])}.* hold the states of .* expected one run per file"
    ):
        draft(path)


def test_groups_of_states_at_equal_times_are_species_of_one_run(tmp_path):
    text = draft(write(tmp_path / "all.h5", ("electrons", "ions"), (0.25, 0.25)))
    assert 'stored = ["electrons/snap_{step}/rho"]' in text
    assert 'stored = ["ions/snap_{step}/rho"]' in text
