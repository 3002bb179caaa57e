"""Ends of axes that attributes state, as pyro and PyClaw do, or by their lengths; numbers of cells."""

import h5py
import numpy as np
import pytest

from ingest.drafting.draft import draft
from tests.ingest.layouts.programs import pyro_states
from tests.ingest.solvers import TIME, T, U, X, Y, write_hdf5, write_netcdf


def test_ends_in_a_group_called_grid_are_drafted(tmp_path):
    text = draft(pyro_states(tmp_path, {"density": U}))
    assert "\nx = { lower = 0.0, upper = 2.0 }  # CHECK: the ends of the cells, from grid@xmin and" in text
    assert "\ny = { lower = 0.0, upper = 1.0 }" in text


@pytest.mark.parametrize("upper", [2.5, -2.5])
def test_ends_next_to_a_field_are_drafted_if_they_are_in_order(tmp_path, upper):
    for step in range(T):
        path = write_hdf5(tmp_path / f"claw{step:04d}.hdf", {"patch1/q": U[step]})
        with h5py.File(path, "a") as file:
            file["patch1"].attrs.update({"t": TIME[step], "x.lower": -2.5, "x.upper": upper})
    line = "\nx = { lower = -2.5, upper = 2.5 }  # CHECK: the ends of the cells, from patch1@x.lower and"
    assert (line in draft(tmp_path)) == (upper > 0)


def lines_of(text: str) -> str:
    return text.partition("[coordinates]")[2].partition("[boundaries]")[0]


@pytest.mark.parametrize(
    "stated",
    [
        {"Lx": 2.0, "Ly": 1.0},
        {"dx": 2 / X, "dy": 1 / Y},
        {"domain_size": np.array([2.0, 1.0])},
        {"extent": np.array([0.0, 2.0, 0.0, 1.0])},
    ],
)
def test_lengths_of_the_grid_are_drafted_as_ends(tmp_path, stated):
    path = write_hdf5(tmp_path / "a.h5", {"u": U, "t": TIME}, **stated)
    text = lines_of(draft(path))
    assert "\nx = { lower = 0.0, upper = 2.0 }  # CHECK: the ends of the cells" in text
    assert "\ny = { lower = 0.0, upper = 1.0 }  # CHECK: the ends of the cells" in text


def test_lengths_in_arrays_and_next_to_the_data_are_drafted_as_ends(tmp_path):
    write_hdf5(tmp_path / "a.h5", {"u": U, "t": TIME, "Lx": 2.0})
    (tmp_path / "params.json").write_text('{"domain": {"Ly": 1.0}}')
    text = lines_of(draft(tmp_path))
    assert "\nx = { lower = 0.0, upper = 2.0 }  # CHECK: the ends of the cells, from Lx;" in text
    assert "from params.json#domain.Ly; the lower end is taken for 0" in text


def test_lengths_that_differ_between_runs_are_not_taken(tmp_path):
    for run in range(3):
        write_hdf5(tmp_path / f"run_{run}.h5", {"u": U + run, "t": TIME}, Lx=2.0 + run, Ly=1.0)
    text = lines_of(draft(tmp_path))
    assert "\n# x = { lower = 0.0, upper = 2.0 }  # CHECK: from @Lx;" in text
    assert "runs differ in it" in text
    assert "\ny = { lower = 0.0, upper = 1.0 }" in text


@pytest.mark.parametrize("is_attribute", [True, False])
def test_numbers_of_cells_name_the_axes(tmp_path, is_attribute):
    counts = {"nx": X, "ny": Y}
    arrays = {"u": U.transpose(0, 2, 1), "t": TIME} | ({} if is_attribute else counts)
    path = write_hdf5(tmp_path / "a.h5", arrays, **(counts if is_attribute else {}))
    text = draft(path)
    assert "# From the numbers of cells that the file states, nx, ny." in text
    assert 'layout = "t y x"' in text


def test_numbers_of_other_cells_name_no_axes(tmp_path):
    path = write_hdf5(tmp_path / "a.h5", {"u": U, "t": TIME}, nx=X + 1, ny=Y)
    assert "numbers of cells" not in draft(path)


@pytest.mark.parametrize("place", ["", "u"])
def test_lists_of_spacing_and_origin_state_the_ends(tmp_path, place):
    path = write_hdf5(tmp_path / "a.h5", {"u": U, "t": TIME})
    with h5py.File(path, "a") as file:
        file[place or "/"].attrs.update(spacing=[2 / X, 1 / Y], origin=[-1.0, 3.0])
    text = lines_of(draft(path))
    said = f"  # CHECK: the ends of the cells, from {place}@origin and {place}@spacing\n"
    assert f"\nx = {{ lower = -1.0, upper = 1.0 }}{said}" in text
    assert f"\ny = {{ lower = 3.0, upper = 4.0 }}{said}" in text


@pytest.mark.parametrize(("attributes", "count"), [({"spacing": 0.25}, 2), ({"spacing": [0.25] * 3}, 0)])
def test_a_spacing_is_that_of_all_axes_and_no_list_of_other_axes(tmp_path, attributes, count):
    path = write_hdf5(tmp_path / "a.h5", {"u": U, "t": TIME}, **attributes)
    assert lines_of(draft(path)).count("from @spacing; the lower end is taken for 0\n") == count


def test_what_may_be_a_lower_end_or_a_place_is_told(tmp_path):
    path = write_hdf5(tmp_path / "a.h5", {"u": U, "t": TIME}, dx=[2 / X, 1 / Y], x0=[1.0, 2.0])
    assert "from @dx; the lower end is taken for 0, and @x0 for no end\n" in lines_of(draft(path))


def test_a_list_next_to_axes_in_another_order_is_told(tmp_path):
    arrays = {"u": (("time", "y", "x"), U.swapaxes(1, 2)), "time": (("time",), TIME)}
    path = write_netcdf(tmp_path / "a.nc", arrays)
    with h5py.File(path, "a") as file:
        file.attrs["spacing"] = [2 / X, 1 / Y]
    text = lines_of(draft(path))
    assert "\ny = { lower = 0.0, upper = 1.0 }  # CHECK: " in text
    assert text.count("the lower end is taken for 0; a list counts x before y\n") == 2
