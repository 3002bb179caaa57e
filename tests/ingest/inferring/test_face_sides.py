"""Drafts of staggered velocities: the side of faces, cells that only faces show, faces without names."""

import re
import tomllib

import h5py
import numpy as np
import pytest

from ingest.building.inputs import find_inputs
from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from ingest.source import find
from shards.program.settings import make
from tests.ingest.solvers import TIME, T, write_hdf5, write_netcdf

X, Y = 8, 6
RNG = np.random.default_rng(6)
# [t, y, x]: all faces of a row of cells, with the first again at the end, and those of a column.
CLOSED = np.pad(RNG.normal(size=(T, Y, X)), ((0, 0), (0, 0), (0, 1)), mode="wrap")
U, V = RNG.normal(size=(T, Y, X + 1)), RNG.normal(size=(T, Y + 1, X))
P = RNG.normal(size=(T, Y, X))
CENTRES = {"x": np.arange(X) + 0.5, "y": np.arange(Y) + 0.5}


def read(path) -> tuple[str, Recipe, np.ndarray]:
    """A draft, its recipe with periodic axes, and the frames [t, c, y, x] that it reads."""
    text = draft(path)
    opened = re.sub(r'# (\w+ = \["(?:wall|periodic)", ).*?\]', r'\1"periodic"]', text)
    opened = opened.replace('["wall", "periodic"]', '["periodic", "periodic"]')
    recipe = make(Recipe, tomllib.loads(opened), "draft")
    (run,) = find_inputs(recipe, path)
    with find("arrays").open_file(run.place, recipe) as file:
        return text, recipe, file.frames(0, 0, T)


def means(faces: np.ndarray, axis: int) -> np.ndarray:
    """Means of neighbours [t, y, x]."""
    return np.lib.stride_tricks.sliding_window_view(faces, 2, axis).mean(-1)


@pytest.mark.parametrize(
    ("shift", "first", "side"),
    [
        (0.5, None, "upper"),
        (-0.5, None, "lower"),
        (None, 1.0, "upper"),
        (None, 0.0, "lower"),
        (0.5, 0.5, "upper"),
        (None, None, ""),
        # In metres next to kilometres, or where the cells are: these coordinates say nothing.
        (None, 700.0, ""),
        (None, 0.5, ""),
    ],
)
@pytest.mark.parametrize("decreasing", [False, True])
def test_the_side_of_the_faces_is_read_from_the_file(tmp_path, shift, first, side, decreasing):
    path, turn = tmp_path / "out.nc", -1 if decreasing else 1
    lists = {"time": TIME, "y": CENTRES["y"], "x": turn * CENTRES["x"]}
    lists |= {} if first is None and shift is None else {"x_r": turn * (np.arange(X) + (first or 0.0))}
    upper = side == "upper"
    stored = CLOSED[..., 1:] if upper else CLOSED[..., :-1]
    arrays = {name: ((name,), numbers) for name, numbers in lists.items()}
    arrays |= {"h": (("time", "y", "x"), P), "u": (("time", "y", "x_r"), stored)}
    write_netcdf(path, arrays)
    if shift is not None:
        with h5py.File(path, "a") as file:
            file["x_r"].attrs["c_grid_axis_shift"] = shift
    text, recipe, frames = read(path)
    names = [each.name for each in recipe.fields]
    assert recipe.fields[names.index("u")].faces_side == ("upper" if upper else "lower")
    assert ("otherwise add faces_side" in text) == (side == "")
    np.testing.assert_array_equal(frames[:, names.index("u")], means(CLOSED, 2))


@pytest.mark.parametrize("closed", [False, True])
def test_components_without_a_field_in_the_cells_show_the_cells(tmp_path, closed):
    lists = {"time": TIME, "yc": CENTRES["y"]}
    lists |= {"xf": np.linspace(2, 4, X + 1), "yf": np.linspace(-1, 1, Y + 1)}
    arrays = {name: ((name,), numbers) for name, numbers in lists.items()}
    arrays |= {"vx": (("time", "yc", "xf"), U), "vy": (("time", "yf", "xc"), V)}
    if closed:
        arrays["q"] = (("time", "yf", "xf"), RNG.normal(size=(T, Y + 1, X + 1)))
    _, recipe, frames = read(write_netcdf(tmp_path / "flow.nc", arrays))
    assert recipe.axes == ("yc", "xc")
    assert (recipe.coordinates["xc"].lower, recipe.coordinates["xc"].upper) == (2.0, 4.0)
    assert recipe.fields[0].stored_names == ("vy", "vx")
    np.testing.assert_array_equal(frames, np.stack([means(V, 1), means(U, 2)], axis=1))


@pytest.mark.parametrize("lists", [CENTRES, {}])
def test_arrays_without_names_of_dimensions_may_be_on_faces(tmp_path, lists):
    arrays = {"p": P, "u": U, "v": V, "q": RNG.normal(size=(T, Y + 1, X + 1)), "t": TIME, **lists}
    path = write_hdf5(tmp_path / "flow.h5", arrays)
    text = draft(path)
    assert "CHECK: " in text
    assert text.count("taken for values on the faces") == 1
    assert "are not taken:\n# q;" in text
    if lists:
        _, recipe, frames = read(path)
        assert recipe.axes == ("x", "y")
        names = [each.name for each in recipe.fields]
        assert names == ["velocity", "p"]
        expected = np.stack([means(U, 2), means(V, 1), P], axis=1)
        np.testing.assert_array_equal(frames.swapaxes(2, 3), expected)
