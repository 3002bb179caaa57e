"""A draft says what attributes state of values and no recipe applies."""

import h5py
import netCDF4
import numpy as np
import pytest

from ingest.drafting.draft import draft
from tests.ingest.layouts.trial import brought
from tests.ingest.layouts.writers import LISTS, Right
from tests.ingest.solvers import TIME, P, T, U, V, write_hdf5, write_netcdf


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"scale": 0.5}, "  # CHECK: its attribute scale = 0.5 is not applied"),
        ({"Offset": 273.0}, "  # CHECK: its attribute Offset = 273 is not applied"),
        ({"scale": 1.0, "offset": 0, "add_offset": 2.0}, ""),
        # xarray writes this one to every field.
        ({"_FillValue": np.nan}, ""),
    ],
)
def test_a_factor_that_is_not_applied_is_told(tmp_path, attributes, said):
    path = write_hdf5(tmp_path / "run.h5", {"T": U, **LISTS})
    with h5py.File(path, "a") as file:
        file["T"].attrs.update(attributes)
    assert f'\nname = "T"{said}\n' in draft(path)


def test_meshes_of_openpmd_lie_where_the_most_central_does_and_others_are_told(tmp_path):
    for step in range(T):
        path = write_hdf5(tmp_path / f"data{step}.h5", {}, openPMD="1.1.0", basePath="/data/%T/")
        with h5py.File(path, "a") as file:
            for name, values, place in (
                ("E/x", U, [0.0, 0.5]),
                ("E/y", V, [0.5, 0.0]),
                ("rho", P, [0.5, 0.5]),
            ):
                mesh = file.create_dataset(f"data/{step}/fields/{name}", data=values[step])
                grid = {"axisLabels": ["x", "y"], "gridSpacing": [0.5, 0.25], "position": place}
                mesh.attrs.update(grid)
            file[f"data/{step}"].attrs["time"] = TIME[step]
    text = draft(tmp_path)
    assert "x = { lower = 0.0, upper = 4.5, " in text
    assert "data/0/fields/E/x lies at 0, 0.5 of a cell, and data/0/fields/rho at 0.5, 0.5" in text
    assert '\nname = "rho"\n' in text


def test_parameters_in_a_group_without_arrays_are_read(tmp_path):
    with h5py.File(tmp_path / "runs.h5", "w") as file:
        for run in range(3):
            file[f"seed_{run}/u"], file[f"seed_{run}/t"] = U + run, TIME
            file.create_group(f"seed_{run}/params").attrs.update(Re=100.5 * run, scheme="rk4")
        file.create_group("Header").attrs["nu"] = 0.25
    text = draft(tmp_path)
    assert 'Re = "*/params@Re"  # 0 to 201\n' in text
    rows = brought(Right(tmp_path)).rows
    assert [row.scalars for row in rows] == [{"Re": 100.5 * run, "nu": 0.25} for run in range(3)]


def test_a_list_that_goes_back_is_named(tmp_path):
    lists = {**LISTS, "x": np.roll(LISTS["x"], 3)}
    text = draft(write_hdf5(tmp_path / "run.h5", {"u": U, "p": P, **lists}))
    assert "# 9 cells; x neither increases nor decreases throughout\n" in text


@pytest.mark.parametrize(
    ("text", "is_told"),
    [('{"Re": 100.5, "cfl": 0.5}', True), ("nu: 0.1\nname: a\n", True), ("made by v1: 2 runs", False)],
)
def test_a_document_in_an_attribute_is_told(tmp_path, text, is_told):
    path = write_hdf5(tmp_path / "run.h5", {"u": U, **LISTS}, config=text)
    assert ("# CHECK: config: text with numbers, not read; write parameters to" in draft(path)) == is_told


def test_the_unit_of_the_time_of_each_state_is_taken(tmp_path):
    for step in range(T):
        arrays = {"h": (("x", "y"), U[step]), "p": (("x", "y"), V[step]), "time": ((), TIME[step])}
        path = write_netcdf(tmp_path / f"out{step:03d}.nc", arrays)
        with netCDF4.Dataset(path, "a") as file:
            file["time"].units = "minutes"
    assert '[time]\nstored = "time"  # time of each file\nunit = "minutes"\n' in draft(tmp_path)


def test_a_run_without_frames_does_not_make_states_of_the_others(tmp_path):
    for run in range(3):
        frames = slice(0, T if run != 1 else 0)
        arrays = {"h": (("time", "x", "y"), U[frames]), "time": (("time",), TIME[frames])}
        write_netcdf(tmp_path / f"r{run}.nc", arrays)
    assert '# 3 files of 3 runs, one run per file: files = "r{r}.nc"' in draft(tmp_path)


@pytest.mark.parametrize(
    ("name", "word"), [("u_mean", "mean"), ("stats/UPrime2Mean", "stats"), ("depth", ""), ("terms", "")]
)
def test_a_field_at_rest_that_is_called_a_mean_is_doubted(tmp_path, name, word):
    write_hdf5(tmp_path / "series" / "run.h5", {"u": U, name: U.mean(0), **LISTS})
    for step in range(T):
        write_hdf5(
            tmp_path / "states" / f"out_{step:03d}.h5", {"u": U[step], name: U.mean(0)}, time=TIME[step]
        )
    for folder in ("series", "states"):
        text = draft(tmp_path / folder)
        assert (f"called {word}: remove it if it is over the frames" in text) == bool(word)
        assert text.count("called ") == bool(word)
