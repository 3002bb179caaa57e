"""A unit behind the name of a coordinate or of a time is its unit, and no field."""

import numpy as np
import pytest

from tests.ingest.layouts.trial import brought, recipe_of
from tests.ingest.layouts.writers import Right
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, U, V, write_hdf5

MESH_Y, MESH_X = np.meshgrid(CENTRES_Y, CENTRES_X, indexing="ij")


@pytest.mark.parametrize(("x", "y"), [(CENTRES_X, CENTRES_Y), (MESH_X, MESH_Y)])
def test_a_coordinate_with_a_unit_in_its_name_is_no_field(tmp_path, x, y):
    fields = {"u": U.swapaxes(1, 2), "v": V.swapaxes(1, 2)}
    right = Right(write_hdf5(tmp_path / "piv.h5", fields | {"x_mm": x, "y_cm": y, "time_ms": TIME}))
    recipe = recipe_of(right)
    assert [(each.stored, each.unit) for each in recipe.coordinates.values()] == [
        ("x_mm", "mm"),
        ("y_cm", "cm"),
    ]
    assert [each.name for each in recipe.fields] == ["velocity"]
    found = brought(right)
    assert found.unit == "ms"
    assert found.rows[0].time == tuple(TIME)
    np.testing.assert_array_equal(found.channels["velocity_x"][0], U)


@pytest.mark.parametrize(
    "write", [write_hdf5, lambda path, arrays: np.savez(path.with_suffix(".npz"), **arrays)]
)
def test_a_unit_in_brackets_is_no_part_of_a_name_and_makes_no_group(tmp_path, write):
    lists = {"x [m]": CENTRES_X, "y [m]": CENTRES_Y, "time (s)": TIME}
    write(tmp_path / "piv.h5", {"u (m/s)": U, "v (m/s)": V, "p (Pa)": U + V} | lists)
    (path,) = tmp_path.iterdir()
    recipe = recipe_of(Right(path))
    assert [(each.stored, each.unit) for each in recipe.coordinates.values()] == [
        ("x [m]", "m"),
        ("y [m]", "m"),
    ]
    assert {each.name: each.unit for each in recipe.fields} == {"velocity": "m/s", "p": "Pa"}
    found = brought(Right(path))
    assert (found.unit, found.rows[0].time) == ("s", tuple(TIME))
    np.testing.assert_array_equal(found.channels["velocity_y"][0], V)
