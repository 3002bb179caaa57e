"""Velocities on the faces of cells are read as means of the two faces, component by component."""

import h5py
import numpy as np
import pytest

from ingest.building.inputs import find_inputs
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SettingsError, SourceError
from shards.program.settings import make

T, X, Y = 3, 7, 5
RNG = np.random.default_rng(5)
# [t, y, x], one face more than cells along the axis of each component; the pressure is in cells.
P = RNG.normal(size=(T, Y, X)).astype("f4")
U = RNG.normal(size=(T, Y, X + 1)).astype("f4")
V = RNG.normal(size=(T, Y + 1, X)).astype("f4")
RECIPE = {
    "name": "channel",
    "source": "arrays",
    "title": "Flow on a staggered grid",
    "axes": ["x", "y"],
    "layout": "t y x",
    "fields": [
        {"name": "velocity", "rank": 1, "stored": ["u", "v"], "faces": ["x", "y"]},
        {"name": "pressure", "stored": ["p"]},
    ],
    "time": {"step": 0.5},
    "coordinates": {"x": {"lower": 0.0, "upper": 1.0}, "y": {"lower": 0.0, "upper": 2.0}},
    "boundaries": {"x": ["open", "open"], "y": ["wall", "wall"]},
}


def frames(folder, u=U, v=V, solid=None, **changes) -> np.ndarray:
    """[T, C, x, y] as read, of velocity and pressure."""
    with h5py.File(folder / "run.h5", "w") as file:
        file["u"], file["v"], file["p"] = u, v, P
        if solid is not None:
            file["solid"] = solid
    recipe = make(Recipe, RECIPE | changes, "channel.toml")
    (run,) = find_inputs(recipe, folder)
    with find("arrays").open_file(run.place, recipe) as opened:
        return opened.frames(0, 0, T)


def means(faces: np.ndarray, axis: int) -> np.ndarray:
    """Means of neighbours, in the order [t, x, y] of the recipe."""
    windows = np.lib.stride_tricks.sliding_window_view(faces.astype("f8"), 2, axis)
    return windows.mean(-1).astype("f4").swapaxes(1, 2)


def test_a_cell_has_the_mean_of_its_two_faces(tmp_path):
    np.testing.assert_array_equal(
        frames(tmp_path), np.stack([means(U, 2), means(V, 1), P.swapaxes(1, 2)], axis=1)
    )


def test_on_a_periodic_axis_the_last_upper_face_may_be_the_first_lower_one(tmp_path):
    sides = RECIPE["boundaries"] | {"x": ["periodic", "periodic"]}
    whole = frames(tmp_path, boundaries=sides)
    closed = np.concatenate([U[:, :, :X], U[:, :, :1]], axis=2)
    wrapped = frames(tmp_path, u=U[:, :, :X], boundaries=sides)
    np.testing.assert_array_equal(whole[:, 0], means(U, 2))
    np.testing.assert_array_equal(wrapped[:, 0], means(closed, 2))


def test_upper_faces_are_those_behind_their_cells(tmp_path):
    sides = RECIPE["boundaries"] | {"x": ["periodic", "periodic"]}
    fields = [RECIPE["fields"][0] | {"faces_side": "upper"}, RECIPE["fields"][1]]
    closed = np.concatenate([U[:, :, X - 1 : X], U[:, :, :X]], axis=2)
    wrapped = frames(tmp_path, u=U[:, :, :X], boundaries=sides, fields=fields)
    np.testing.assert_array_equal(wrapped[:, 0], means(closed, 2))
    np.testing.assert_array_equal(wrapped[:, 1], means(V, 1))
    with pytest.raises(SourceError, match="the lower face of the first cell is absent"):
        frames(tmp_path, u=U[:, :, :X], fields=fields)


def test_ghost_cells_are_cut_on_faces_and_cells_alike(tmp_path):
    cut = frames(tmp_path, crop={"x": [2, 1]})
    np.testing.assert_array_equal(cut, frames(tmp_path)[:, :, 2 : X - 1])


def test_as_many_faces_as_cells_are_refused_on_an_axis_that_is_not_periodic(tmp_path):
    with pytest.raises(
        SourceError, match=r"run.h5:/u: .*the upper face of the last cell is absent; .*absent_faces = .zero"
    ):
        frames(tmp_path, u=U[:, :, :X])


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_an_absent_face_on_a_wall_may_count_as_zero(tmp_path, side):
    pad = (0, 1) if side == "lower" else (1, 0)
    velocity = RECIPE["fields"][0] | {"absent_faces": "zero", "faces_side": side}
    held = frames(tmp_path, u=U[:, :, :X], fields=[velocity, RECIPE["fields"][1]])
    closed = np.pad(U[:, :, :X], ((0, 0), (0, 0), pad))
    np.testing.assert_array_equal(held[:, 0], means(closed, 2))
    sides = RECIPE["boundaries"] | {"x": ["periodic", "periodic"]}
    around = frames(tmp_path, u=U[:, :, :X], fields=[velocity, RECIPE["fields"][1]], boundaries=sides)
    np.testing.assert_array_equal(around[:, 0], means(np.pad(U[:, :, :X], ((0, 0), (0, 0), pad), "wrap"), 2))


def test_a_face_without_a_value_counts_as_zero_only_at_ends_and_next_to_solid_cells(tmp_path):
    u, v = U.copy(), V.copy()
    # The other face of the solid cell has a value, which is kept.
    u[:, 2, 3] = np.nan
    v[:, 2:4, 3] = np.nan
    # No land is here; the last face is at the end of the axis.
    v[1, 1, 6] = v[:, -1, 0] = np.nan
    solid = np.zeros((Y, X), "u1")
    solid[2, 3] = 1
    mask = {"stored": "solid", "solid": "nonzero", "layout": "y x"}
    velocity = RECIPE["fields"][0] | {"absent_faces": "zero"}
    read = frames(tmp_path, u, v, solid=solid, fields=[velocity, RECIPE["fields"][1]], mask=mask)
    at_rest = v.copy()
    at_rest[:, 2:4, 3] = at_rest[:, -1, 0] = 0
    for channel, closed, axis in ((0, np.nan_to_num(u), 2), (1, at_rest, 1)):
        np.testing.assert_array_equal(read[:, channel], means(closed, axis))
    assert np.isnan(read[1, 1]).sum() == 2


@pytest.mark.parametrize("periodic", [(), ("x",), ("x", "y")])
def test_components_on_all_faces_in_one_array_are_cut_where_they_are_filled_up(tmp_path, periodic):
    u, v = (U[:, :, :X] if "x" in periodic else U), (V[:, :Y] if "y" in periodic else V)
    filled = np.zeros((T, v.shape[1], u.shape[2], 2), "f4")
    filled[:, :Y, :, 0], filled[:, :, :X, 1] = u, v
    sides = RECIPE["boundaries"] | {axis: ["periodic", "periodic"] for axis in periodic}
    names = {"stored": ["u[0]", "u[1]"], "layout": "t y x c"}
    fields = [RECIPE["fields"][0] | names, RECIPE["fields"][1]]
    together = frames(tmp_path, u=filled, boundaries=sides, fields=fields)
    np.testing.assert_array_equal(together, frames(tmp_path, u=u, v=v, boundaries=sides))


def test_a_recipe_names_the_faces_of_every_array(tmp_path):
    for faces in (
        {"faces": ["x"]},
        {"faces": [], "faces_side": "upper"},
        {"faces": [], "absent_faces": "zero"},
    ):
        with pytest.raises(SettingsError, match="expected an axis for each of its 2 stored names"):
            frames(tmp_path, fields=[RECIPE["fields"][0] | faces])
