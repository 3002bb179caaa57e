"""Meshgrids are coordinates whatever they are called; axes of one cell are removed; samples may be last."""

import tomllib

import h5py
import numpy as np
import pytest

from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from ingest.source import find
from shards.program.settings import make
from tests.ingest.layouts.trial import edited, faults
from tests.ingest.layouts.writers import Right
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, P, T, U, V, write_hdf5, write_netcdf

# As numpy.meshgrid gives them: [y, x].
MESH_X, MESH_Y = np.meshgrid(CENTRES_X, CENTRES_Y)
TURNED = U.transpose(0, 2, 1)


def centres(path) -> list[list[float]]:
    """The cell centres of y and x, as the recipe of the edited draft reads them; it has the field u alone."""
    recipe = make(Recipe, tomllib.loads(edited(draft(path), masked=False)), "draft")
    assert [field.name for field in recipe.fields] == ["u"]
    with find("arrays").open_file(path, recipe) as file:
        return sorted((list(each) for each in file.schema.grid.coordinates), key=len)


@pytest.mark.parametrize("names", [("xx", "yy"), ("XX", "YY"), ("xg", "yg"), ("lon2d", "lat2d"), ("X", "Y")])
def test_arrays_that_change_along_one_axis_each_are_its_positions(tmp_path, names):
    meshes = dict(zip(names, (MESH_X, MESH_Y), strict=True))
    np.savez(tmp_path / "a.npz", u=TURNED, t=TIME, **meshes)
    found = centres(tmp_path / "a.npz")
    np.testing.assert_allclose(found[0], CENTRES_Y)
    np.testing.assert_allclose(found[1], CENTRES_X)


@pytest.mark.parametrize(("axes", "names"), [(("N", "M"), ("XZ", "YZ")), (("j", "i"), ("XX", "YY"))])
def test_meshgrids_along_dimensions_with_other_names_are_their_positions(tmp_path, axes, names):
    path = write_netcdf(
        tmp_path / "a.nc",
        {
            "u": (("time", *axes), TURNED),
            "time": (("time",), TIME),
            names[0]: (axes, MESH_X),
            names[1]: (axes, MESH_Y),
        },
    )
    found = centres(path)
    np.testing.assert_allclose(found[0], CENTRES_Y)
    np.testing.assert_allclose(found[1], CENTRES_X)


def test_a_field_that_is_called_as_positions_but_changes_otherwise_stays_a_field(tmp_path):
    np.savez(tmp_path / "a.npz", u=TURNED, t=TIME, xg=TURNED[0], yg=MESH_Y)
    assert 'name = "xg"' in draft(tmp_path / "a.npz")


def test_components_of_a_tensor_are_no_meshgrids(tmp_path):
    np.savez(tmp_path / "a.npz", xx=U, xy=V, yy=P, t=TIME)
    assert 'stored = "yy"' not in draft(tmp_path / "a.npz").partition("[boundaries]")[0]


def test_states_of_one_layer_of_cells_have_two_axes(tmp_path):
    for k in range(T):
        arrays = {"rho": TURNED[k][None], "xx": MESH_X[None], "yy": MESH_Y[None], "zz": 0 * MESH_Y[None]}
        write_hdf5(tmp_path / f"flds.{k:05d}.h5", arrays, time=TIME[k])
    assert faults(Right(tmp_path, {"rho": TURNED}, TIME)) == []
    assert 'x = { stored = "xx" }' in draft(tmp_path)


@pytest.mark.parametrize(
    ("at", "layout"), [((1,), "t c x y"), ((3,), "t x y c"), ((1, 4), "t 1 x y 1"), ((1, 2), "t 1 1 x y")]
)
def test_an_axis_of_length_1_is_none_of_space(tmp_path, at, layout):
    np.savez(tmp_path / "a.npz", u=np.expand_dims(U, at), t=TIME)
    assert f'layout = "{layout}"' in draft(tmp_path / "a.npz")
    assert faults(Right(tmp_path / "a.npz", {"u": U}, TIME)) == []


def test_channels_of_one_layer_of_cells_are_fields(tmp_path):
    for k in range(T):
        np.save(tmp_path / f"m{k:06d}.npy", np.stack([U[k], V[k], P[k]])[:, None])
    assert 'layout = "t c 1 x y"' in draft(tmp_path)
    assert faults(Right(tmp_path, {"data_0": U, "data_1": V, "data_2": P}, np.arange(T))) == []


def test_few_samples_of_matlab_are_last(tmp_path):
    # MATLAB has u(sample, x, y, t); HDF5 shows its axes in reverse.
    samples = np.stack([U + number for number in range(4)])
    with h5py.File(tmp_path / "a.mat", "w") as file:
        for name, values in (("u", samples.transpose(1, 3, 2, 0)), ("t", TIME[:, None])):
            file[name] = values
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
    assert 'layout = "t y x n"' in draft(tmp_path / "a.mat")
    assert faults(Right(tmp_path / "a.mat", {"u": samples}, TIME, runs=4)) == []


def test_the_layout_of_a_constant_field_is_a_guess_while_that_of_the_others_is_open(tmp_path):
    np.savez(tmp_path / "a.npz", u=U, depth=U[0])
    assert 'layout = "x y"  # CHECK: with another layout above, another one here' in draft(tmp_path / "a.npz")
