"""Groups of equal names on different grids are no runs."""

import numpy as np
import pytest

from ingest.drafting.draft import draft
from shards.errors import SourceError
from tests.ingest.solvers import write_hdf5

T = 5


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (
            {"level_0": (T, 12, 9), "level_1": (T, 24, 18)},
            "level_0/rho is 5×12×9 and level_1/rho is 5×24×18: levels of a refined grid; expected one grid",
        ),
        ({"lev0": (T, 12), "lev1": (T, 24)}, "lev0/rho is 5×12 and lev1/rho is 5×24: levels of a refined"),
        ({"coarse": (T, 12, 9), "fine": (T, 24, 18)}, "groups on different grids are no runs of one dataset"),
    ],
)
def test_groups_on_different_grids_are_refused(tmp_path, shapes, words):
    arrays = {f"{group}/rho": np.ones(shape) for group, shape in shapes.items()}
    with pytest.raises(SourceError, match=words):
        draft(write_hdf5(tmp_path / "run.h5", {**arrays, "time": np.arange(float(T))}))


def test_groups_that_differ_in_frames_alone_are_runs(tmp_path):
    arrays = {"a/rho": np.ones((5, 12, 9)), "b/rho": np.ones((7, 12, 9))}
    times = {"a/time": np.arange(5.0), "b/time": np.arange(7.0)}
    assert 'stored = ["*/rho"]' in draft(write_hdf5(tmp_path / "run.h5", {**arrays, **times}))
