"""Drafts take the times of a file: the right list of several, and a reason where there is none."""

import tomllib

import h5py
import netCDF4
import numpy as np
import pytest

from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from ingest.source import find
from shards.program.settings import make
from tests.ingest.drafting.test_draft import write
from tests.ingest.layouts.trial import edited


def test_as_many_times_as_frames_are_better_than_one_more(tmp_path):
    # Five runs of six frames: not five frames of six channels.
    values = np.random.default_rng(0).normal(size=(5, 6, 12))
    write(
        tmp_path / "a.h5",
        **{"tensor": values, "t-coordinate": np.arange(6.0), "x-coordinate": np.arange(12.0)},
    )
    text = draft(tmp_path / "a.h5")
    assert 'layout = "n t x"' in text
    assert 'stored = "t-coordinate"' in text


def test_a_list_with_a_hole_is_no_list_of_times(tmp_path):
    times = np.array([0, 1, np.nan, 3, 4, 5])
    write(tmp_path / "a.h5", u=np.random.default_rng(0).normal(size=(6, 12, 7)), t=times)
    assert "# t is not a list of times: it has no value at frame 2" in draft(tmp_path / "a.h5")


def test_frames_that_are_not_in_order_of_time_are_told_and_no_steps_offered(tmp_path):
    times = np.array([0, 1, 2, 2, 3, 4.0])
    write(tmp_path / "a.h5", u=np.random.default_rng(0).normal(size=(6, 12, 7)), t=times)
    text = draft(tmp_path / "a.h5")
    assert "# FIX: the frames are not in order of time: t is 2 at frame 3, after 2." in text
    assert "sorted by t (numpy.argsort)" in text
    assert 'stored = "t"' in text
    assert "step =" not in text


def test_times_in_a_unit_are_better_than_a_counter(tmp_path):
    values = np.random.default_rng(0).normal(size=(6, 12, 7))
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, length in (("time", None), ("eta_rho", 12), ("xi_rho", 7)):
            file.createDimension(name, length)
        file.createVariable("frame", "i4", ("time",))[:] = np.arange(6)
        file.createVariable("scrum_time", "f8", ("time",))[:] = np.arange(6) * 3600.0
        file.createVariable("zeta", "f8", ("time", "eta_rho", "xi_rho"))[:] = values
    assert 'stored = "scrum_time"' in draft(tmp_path / "a.nc")


@pytest.mark.parametrize(("shift", "word"), [(0, "start"), (30, "end"), (15, "")])
def test_the_time_of_a_mean_is_the_end_or_the_start_of_its_interval(tmp_path, shift, word):
    start = np.arange(6) * 30.0
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, length in (("time", None), ("lat", 12), ("lon", 7), ("nbnd", 2)):
            file.createDimension(name, length)
        file.createVariable("time", "f8", ("time",))[:] = start + shift
        file["time"].setncatts({"units": "days since 2000-01-01", "bounds": "time_bnds"})
        file.createVariable("time_bnds", "f8", ("time", "nbnd"))[:] = np.stack([start, start + 30], axis=1)
        file.createVariable("TS", "f8", ("time", "lat", "lon"))[:] = np.random.default_rng(0).normal(
            size=(6, 12, 7)
        )
        file["TS"].cell_methods = "time: mean"
    text = draft(tmp_path / "a.nc")
    said = f"fields are the mean over an interval (cell_methods); the time is its {word}, see time_bnds."
    assert (said in text) == bool(word)
    assert ("cell_methods" in text) == bool(word)
    assert "#   time_bnds: shape (6, 2)" in text


def test_lists_called_like_the_labels_of_dimensions_are_theirs_wherever_they_are(tmp_path):
    times, x = 0.3 * np.arange(6), np.linspace(0.1, 1.9, 12)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["axes/t"], file["axes/x"], file["axes/y"] = times, x, np.arange(7.0)
        file["sim/Ez"] = np.random.default_rng(0).normal(size=(12, 6, 7))
        for dimension, label in zip(file["sim/Ez"].dims, "xty", strict=True):
            dimension.label = label
    text = draft(tmp_path / "a.h5")
    assert 'layout = "x t y"' in text
    assert 'stored = "axes/t"  # 6 frames, 0 to 1.5' in text
    assert 'x = { stored = "axes/x" }' in text


def test_lists_called_vectors_are_times_and_coordinates(tmp_path):
    values = np.random.default_rng(0).normal(size=(6, 12, 7))
    write(tmp_path / "a.h5", u=values, tvec=0.3 * np.arange(6), xvec=np.arange(12.0), y_vec=np.arange(7.0))
    text = draft(tmp_path / "a.h5")
    assert 'stored = "tvec"' in text
    assert 'y = { stored = "y_vec" }' in text


@pytest.mark.parametrize("place", ["Q", ""])
def test_times_in_an_attribute_and_a_tensor_with_the_name_of_a_stack_are_taken(tmp_path, place):
    path, times = tmp_path / "nematic.h5", np.array([0.0, 5.0, 10.0, 20.0, 40.0])
    values = np.random.default_rng(0).normal(size=(5, 12, 7, 2, 2))
    write(path, Q=values)
    with h5py.File(path, "a") as file:
        (file[place] if place else file).attrs["times"] = times
    text = draft(path)
    assert f'stored = "{place}@times"  # 5 frames, 0 to 40; steps differ, 5 to 20' in text
    recipe = make(Recipe, tomllib.loads(edited(text, masked=False)), "draft.toml")
    assert [(field.name, field.rank) for field in recipe.fields] == [("Q", 2)]
    with find("arrays").open_file(path, recipe) as file:
        assert file.rows[0].time == tuple(times)
        np.testing.assert_array_equal(file.frames(0, 0, 5), np.moveaxis(values.reshape(5, 12, 7, 4), -1, 1))


@pytest.mark.parametrize(
    ("unit", "lines"),
    [
        ("ms", 'stored = "{step}"  # CHECK: the number before ms in the names of the files\nunit = "ms"\n'),
        (
            "V",
            'stored = "{step}"  # CHECK: the number before V in the names; if it is no time, these are no ',
        ),
    ],
)
def test_a_unit_behind_the_number_of_a_state_says_whether_it_is_a_time(tmp_path, unit, lines):
    for number in (0.0, 0.5, 1.0):
        np.save(tmp_path / f"rho_{number}{unit}.npy", np.full((7, 6), number))
    assert lines in draft(tmp_path)
