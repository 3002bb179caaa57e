"""Which axes are trajectories, times or channels: what lists and names show, and what is left to decide."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
import xarray

from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from ingest.source import find
from shards.program.settings import make

STATES, T, X, Y = 4, 6, 16, 10
LISTS = {"x": np.arange(X) / X, "y": np.arange(Y) / Y, "t": np.arange(T) * 0.1}
NU = np.array([0.1, 0.2, 0.5])


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(2).normal(size=shape).astype("f4")


def drafted(folder: Path, **arrays: np.ndarray) -> str:
    np.savez(folder / "runs.npz", **arrays)
    return draft(folder / "runs.npz")


def without_boundaries(text: str) -> Recipe:
    return make(Recipe, tomllib.loads(text), "draft.toml")


SWEEPS = {
    "viscosities last": ((STATES, 3, T, X, Y), {"nu": NU}, "n1 n2 t x y", {"nu": "nu[n2]"}),
    "two lists": ((2, 3, T, X, Y), {"Re": NU[:2], "Pr": NU}, "n1 n2 t x y", {"Re": "Re[n1]", "Pr": "Pr[n2]"}),
    "three axes": (
        (2, 3, STATES, T, X, Y),
        {"Re": NU[:2], "nu": NU, "seeds": np.arange(STATES)},
        "n1 n2 n3 t x y",
        {"Re": "Re[n1]", "nu": "nu[n2]"},
    ),
    "time last": (
        (STATES, 3, X, Y, T),
        {"viscosities": NU},
        "n1 n2 x y t",
        {"viscosities": "viscosities[n2]"},
    ),
    "one dimension": ((STATES, 3, T, X), {"beta": NU}, "n1 n2 t x", {"beta": "beta[n2]"}),
}


@pytest.mark.parametrize("case", SWEEPS)
def test_lists_of_parameters_show_the_axes_of_a_sweep(tmp_path, case):
    shape, parameters, layout, scalars = SWEEPS[case]
    lists = {name: values for name, values in LISTS.items() if name != "y" or Y in shape}
    recipe = without_boundaries(drafted(tmp_path, u=noise(*shape), **parameters, **lists))
    assert recipe.layout == layout
    assert recipe.scalars == scalars


def test_a_list_as_long_as_two_axes_of_a_sweep_is_left_to_decide(tmp_path):
    text = drafted(tmp_path, u=noise(3, 3, T, X, Y), nu=NU, **LISTS)
    assert '# nu = "nu[n1]"  # 0.1 to 0.5; DECIDE: is it along n1 or n2? uncomment' in text


def test_names_of_dimensions_show_the_axes_of_a_sweep_and_values_are_those_of_xarray(tmp_path):
    dims = ("ic", "viscosity", "time", "y", "x")
    data = xarray.Dataset(
        {
            "h": (dims, noise(3, 3, T, Y, X)),
            "bed": (("ic", "y", "x"), noise(3, Y, X)),
            "rate": (("viscosity",), [1.0, 2.0, 4.0]),
        },
        coords={"viscosity": NU, "time": LISTS["t"], "y": LISTS["y"], "x": LISTS["x"]},
    )
    data.to_netcdf(tmp_path / "runs.nc")
    text = re.sub(r"^# ([xy] = \[.*\])", r"\1", draft(tmp_path / "runs.nc"), flags=re.MULTILINE)
    recipe = without_boundaries(text)
    assert recipe.scalars == {"rate": "rate[n2]", "viscosity": "viscosity[n2]"}
    with find("arrays").open_file(tmp_path / "runs.nc", recipe) as file:
        for row, (ic, nu) in enumerate(np.ndindex(3, 3)):
            here = data.isel(ic=ic, viscosity=nu)
            np.testing.assert_array_equal(file.frames(row, 0, T)[:, 0], here["h"])
            np.testing.assert_array_equal(file.static(row)[0], here["bed"])
            assert file.rows[row].scalars == {"rate": here["rate"].item(), "viscosity": NU[nu]}


def test_times_along_one_axis_of_a_sweep_are_drafted_so(tmp_path):
    times = np.outer([1, 2, 3], LISTS["t"])
    text = drafted(tmp_path, u=noise(STATES, 3, T, X, Y), nu=NU, **LISTS | {"t": times})
    assert 'stored = "t[n2]"' in text


# What is stored, and each layout that its lists allow alike, the drafted one first.
OPEN = {
    "as many runs as frames": ((T, T, X, Y), "u", "n t x y | t n x y | t c x y"),
    "runs or channels before the time": ((STATES, 3, T, X, Y), "u", "n1 n2 t x y | n c t x y"),
    "time last, as many runs": ((T, X, Y, T), "u", "n x y t | t x y c"),
    "as many frames as cells": ((X, Y, X), "u", "t y x | x y t"),
    "a batch of rollouts": ((T, 8, X, Y), "u", "t n x y | t c x y"),
    "channels first": ((T, T, X, Y), "data", "n t x y | t n x y | t c x y | c t x y"),
}


@pytest.mark.parametrize("case", OPEN)
def test_layouts_that_lists_allow_alike_are_left_to_decide(tmp_path, case):
    shape, name, layouts = OPEN[case]
    times = np.arange(X if case == "as many frames as cells" else T) * 0.1
    text = drafted(tmp_path, **{name: noise(*shape)}, **LISTS | {"t": times})
    assert "# DECIDE: the file allows each of these layouts alike; uncomment the right one." in text
    assert " | ".join(re.findall(r'^# layout = "(.*)"', text, re.MULTILINE)) == layouts
    recipe = without_boundaries(text)
    assert recipe.layout == ""
    assert [field.name for field in recipe.fields] == [name]


@pytest.mark.parametrize(("name", "more"), [("u", []), ("data", ["t c x y"])])
def test_many_runs_of_as_many_frames_are_left_to_decide(tmp_path, name, more):
    text = drafted(tmp_path, **{name: noise(12, 12, X, Y)}, **LISTS | {"t": np.arange(12) * 0.1})
    assert re.findall(r'^# layout = "(.*)"', text, re.MULTILINE) == ["n t x y", "t n x y", *more]


def test_a_long_last_axis_counts_samples_as_matlab_orders_them(tmp_path):
    text = drafted(tmp_path, u=noise(T, Y, X, 400), a=noise(Y, X, 400), t=LISTS["t"])
    assert re.findall(r'^# layout = "(.*)"', text, re.MULTILINE) == ["t y x n", "t n x y"]
    assert '# layout = "t y x n"' in drafted(tmp_path, u=noise(T, Y, X, 400))
    assert '"t y x n": 20 frames, y 10, x 16, 20 trajectories' in drafted(tmp_path, u=noise(20, Y, X, 20))


def test_many_channels_without_names_are_rather_frames(tmp_path):
    text = drafted(tmp_path, data=noise(60, 20, X, Y))
    assert '# layout = "n t x y"' in text
    assert '"t c x y": 60 frames, 20 channels, x 16, y 10' in text


def test_both_readings_are_named_where_nothing_is_a_time(tmp_path):
    # As data of neural operators with lists of positions: a short last axis may be time.
    text = drafted(tmp_path, u=noise(20, X, Y, 8), x=LISTS["x"], y=LISTS["y"])
    assert '# layout = "n x y t"  # 20 trajectories, x 16, y 10, 8 frames' in text
    assert '# layout = "t x y c"  # 20 frames, x 16, y 10, 8 channels' in text


@pytest.mark.parametrize(
    ("shape", "more", "layout"),
    [
        ((T, T, X, Y), {"Re": np.arange(T) + 0.5}, "n t x y"),
        ((12, T, X, Y), {}, "n t x y"),
        ((20, X, Y, T), {}, "n x y t"),
        ((T, 2, X, Y), {}, "t c x y"),
        ((T, 3, X, Y), {"nu": NU}, "t n x y"),
        ((T, STATES, 2, X, Y), {}, "t n c x y"),
        ((STATES, T, 3, X, Y), {}, "n t c x y"),
    ],
)
def test_what_lists_and_lengths_show_is_not_asked(tmp_path, shape, more, layout):
    assert without_boundaries(drafted(tmp_path, u=noise(*shape), **more, **LISTS)).layout == layout


def test_runs_one_after_another_and_padded_runs_are_told(tmp_path):
    lists = {name: LISTS[name] for name in ("x", "y")}
    times = np.concatenate([LISTS["t"], LISTS["t"][:4]])
    text = drafted(tmp_path, u=noise(10, X, Y), t=times, **lists)
    assert "# FIX: t begins again, at 0, at frame 6: runs one after another in one array." in text
    padded = noise(3, T, X, Y)
    padded[0, -1] = np.nan
    assert "# FIX: u has no values in its last frames: runs padded" in drafted(tmp_path, u=padded, **LISTS)


# What is stored next to a list of times alone, and each layout that a person may uncomment.
VOLUMES = {
    "a short last axis": ((T, X, Y, 7), "t x y z | t n x y | t x y c"),
    "a short first axis": ((T, 5, X, Y), "t x y z | t n x y | t c x y"),
    "runs of volumes": ((3, T, X, Y, 7), "n t x y z | n t x y c"),
}


@pytest.mark.parametrize("case", VOLUMES)
def test_a_short_axis_may_always_be_one_of_space(tmp_path, case):
    shape, layouts = VOLUMES[case]
    text = drafted(tmp_path, rho=noise(*shape), t=LISTS["t"])
    assert " | ".join(re.findall(r'^# layout = "(.*)"', text, re.MULTILINE)) == layouts
    assert "# With fewer axes of space, remove the others from axes, [coordinates] and [boundaries]." in text
    assert without_boundaries(text).axes == ("x", "y", "z")


@pytest.mark.parametrize(
    "names", [("vx", "vy", "vz"), ("u", "v", "w"), ("Bx", "By", "Bz"), ("b1", "b2", "b3")]
)
def test_three_components_of_a_vector_show_three_axes(tmp_path, names):
    components = {name: noise(T, X, Y, 7) for name in names}
    text = drafted(tmp_path, rho=noise(T, X, Y, 7), t=LISTS["t"], **components)
    assert re.findall(r'^# layout = "(.*)"', text, re.MULTILINE) == ["t x y z"]
    (vector, rho) = without_boundaries(text).fields
    assert (vector.rank, vector.stored, rho.name) == (1, names, "rho")


def test_three_components_on_a_plane_show_no_third_axis(tmp_path):
    components = {name: noise(20, T, X, Y) for name in ("vx", "vy", "vz")}
    assert without_boundaries(drafted(tmp_path, t=LISTS["t"], **components)).layout == "n t x y"


def test_vectors_of_two_fluids_next_to_one_potential_are_not_taken_for_runs(tmp_path):
    fluids = {"rho": noise(2, T, X, Y), "vel": noise(2, T, X, Y, 2)}
    text = drafted(tmp_path, **fluids, potential=noise(T, X, Y), **LISTS)
    assert re.findall(r'^# layout = "(.*)"', text, re.MULTILINE)[:2] == ["c t x y c", "n t x y c"]
