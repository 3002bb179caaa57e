"""A draft names the runs that a build would leave out, and the numbers that the first run lacks."""

from itertools import product

import h5py
import numpy as np
import pytest

from ingest.drafting.draft import draft
from ingest.inspecting.folder import look_through
from ingest.source import find
from shards.errors import SourceError
from tests.ingest.layouts.trial import recipe_of
from tests.ingest.layouts.writers import LISTS, Right
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, P, T, U, Y, write_hdf5, write_netcdf


def checks(folder) -> list[str]:
    return [each for each in draft(folder).splitlines() if each.startswith("# CHECK")]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"u": U, **LISTS}, "run1.h5 (has no p)"),
        ({"u": U[:, :5], "p": P[:, :5], **LISTS, "x": CENTRES_X[:5]}, "run1.h5 (p is 6×5×7)"),
        ({"u": U, "p": P, **LISTS, "x": 2 * CENTRES_X}, "run1.h5 (x has other values along x)"),
    ],
)
def test_a_run_that_does_not_fit_the_first_is_named(tmp_path, arrays, said):
    write_hdf5(tmp_path / "run0.h5", {"u": U, "p": P, **LISTS})
    write_hdf5(tmp_path / "run1.h5", arrays)
    write_hdf5(tmp_path / "run2.h5", {"u": U[:4], "p": P[:4], **LISTS, "t": TIME[:4]})
    first = "of 3 runs, 1 does not fit the first, and would be left out"
    assert f"# CHECK: {first}: {said}" in checks(tmp_path)


def test_a_parameter_that_the_first_run_lacks_is_named(tmp_path):
    for run in range(3):
        numbers = {"Re": 100.0 * run, "job_id": run} if run else {}
        write_hdf5(tmp_path / f"run{run}.h5", {"u": U, **LISTS}, **numbers)
    said = "# CHECK: numbers that some runs have, but not the first: Re (in 2 of 3)"
    assert said in checks(tmp_path)


def test_a_square_run_with_exchanged_axes_is_named_and_refused(tmp_path):
    square = U[:, :Y]
    cells = {"time": (("time",), TIME), "x": (("x",), CENTRES_Y), "y": (("y",), CENTRES_Y)}
    for run, axes in enumerate((("y", "x"), ("x", "y"))):
        write_netcdf(tmp_path / f"run{run}.nc", {"u": (("time", *axes), square), **cells})
    assert any("run1.nc (u is along time, x, y)" in each for each in checks(tmp_path))
    recipe = recipe_of(Right(tmp_path))
    words = "run1.nc:u: its dimensions are time, x, y; expected y, x in this order"
    with pytest.raises(SourceError, match=words), find("arrays").open_file(tmp_path / "run1.nc", recipe):
        pass


@pytest.mark.parametrize("variables", [("",), ("u", "p")])
def test_a_run_with_a_state_of_exchanged_axes_is_refused(tmp_path, variables):
    for run, step, variable in product(range(2), range(T), variables):
        axes = ("x", "y") if (run, step) == (1, 2) else ("y", "x")
        arrays = {"x": (("x",), CENTRES_Y), "y": (("y",), CENTRES_Y), "t": ((), TIME[step])}
        for name in variable or "up":
            arrays[name] = (axes, {"u": U, "p": P}[name][step, :Y])
        write_netcdf(tmp_path / f"run{run}" / f"{variable or 'state'}_{step}.nc", arrays)
    recipe, first = recipe_of(Right(tmp_path)), f"{variables[0] or 'state'}_0.nc"
    with find("arrays").open_file(tmp_path / "run0" / first, recipe) as run:
        np.testing.assert_array_equal(run.frames(0, 0, T)[:, 1], U[:, :Y])
    words = r"run1/\w+_2.nc:[pu]: its dimensions are x, y; expected y, x in this order"
    with pytest.raises(SourceError, match=words), find("arrays").open_file(tmp_path / "run1" / first, recipe):
        pass


def test_files_that_do_not_fit_for_their_suffix_alone_are_told(tmp_path):
    for number, suffix in enumerate((".h5", ".Hdf5", ".HDF5")):
        write_hdf5(tmp_path / f"run_{number}{suffix}", {"u": U + number, **LISTS})
    write_hdf5(tmp_path / "grid.h5", {"volume": U[0]})
    assert look_through(tmp_path).others == ("grid.h5", "run_0.h5")
    said = "# CHECK: 1 of these, such as run_0.h5, would fit if they ended with .hdf5: rename them"
    assert any(each.startswith(said) for each in checks(tmp_path))


def test_a_run_whose_attribute_names_axes_in_another_order_is_named(tmp_path):
    for run, axes in enumerate(("t,x,y", "t,y,x")):
        path = write_hdf5(tmp_path / f"run{run}.h5", {"u": U[:, :Y], "t": TIME})
        with h5py.File(path, "a") as file:
            file["u"].attrs["axes"] = axes
    assert any("run1.h5 (u is along t, y, x)" in each for each in checks(tmp_path))
