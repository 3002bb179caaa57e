"""Components in arrays of their own are one vector, however their names say the direction."""

import tomllib

import numpy as np
import pytest

from ingest.drafting.draft import draft
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, P, U, V, write_hdf5

LISTS = {"t": TIME, "x": CENTRES_X, "y": CENTRES_Y}


@pytest.mark.parametrize("form", ["velocity_{}", "Velocity_{}", "{}_velocity", "velocity-{}", "vel{}", "v{}"])
def test_components_are_one_vector_before_and_behind_the_word_that_they_share(tmp_path, form):
    names = [form.format(axis) for axis in "xy"]
    path = write_hdf5(tmp_path / "run.h5", {names[0]: U, names[1]: V, "rho": P} | LISTS)
    (field, _) = tomllib.loads(draft(path))["fields"]
    assert (field["name"], field["rank"], field["stored"]) == ("velocity", 1, names)


def test_components_of_a_volume_are_one_vector_where_axes_are_stored_backwards(tmp_path):
    volume = np.stack([U.swapaxes(1, 2)] * 3, axis=1)
    arrays = {f"{axis}_vorticity": volume for axis in "xyz"} | LISTS | {"z": [0.0, 1.0, 2.0]}
    path = write_hdf5(tmp_path / "run.h5", arrays)
    recipe = tomllib.loads(draft(path))
    (field,) = recipe["fields"]
    assert (field["name"], field["stored"]) == ("vorticity", [f"{axis}_vorticity" for axis in recipe["axes"]])
