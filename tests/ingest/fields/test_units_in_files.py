"""A file that states another unit than the recipe is told, and its values are taken as they are."""

import tomllib

import netCDF4
import pytest

from ingest.building.caveats import caveats
from ingest.building.inputs import find_inputs
from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from shards.program.settings import make
from tests.ingest.layouts.trial import edited
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, U, write_hdf5, write_netcdf

LISTS = {"time": (("time",), TIME), "x": (("x",), CENTRES_X), "y": (("y",), CENTRES_Y)}


@pytest.mark.parametrize(
    ("of_field", "of_axis", "told"),
    [
        ("K", "m", []),
        (" k", "M", []),
        ("degC", "m", ["T: in 'degC', but 'K' in the recipe"]),
        ("K", "km", ["x: in 'km', but 'm' in the recipe"]),
    ],
)
def test_a_run_in_other_units_is_told(tmp_path, of_field, of_axis, told):
    for number, units in enumerate((("K", "m"), (of_field, of_axis))):
        path = write_netcdf(tmp_path / f"run{number}.nc", {"T": (("time", "x", "y"), U), **LISTS})
        with netCDF4.Dataset(path, "a") as file:
            file["T"].units, file["x"].units = units
    recipe = make(Recipe, tomllib.loads(edited(draft(tmp_path), masked=False)), "draft")
    notes = caveats(recipe, find_inputs(recipe, tmp_path))
    assert [note.partition(";")[0] for note in notes] == [f"run1.nc: {each}" for each in told]


def test_a_run_of_states_with_times_in_another_unit_is_told(tmp_path):
    for number, unit in enumerate(("s", "ms")):
        for step in range(2):
            write_hdf5(tmp_path / f"run{number}" / f"out{step}.h5", {"T": U[step]}, time=f"{step} {unit}")
    recipe = make(Recipe, tomllib.loads(edited(draft(tmp_path), masked=False)), "draft")
    notes = caveats(recipe, find_inputs(recipe, tmp_path))
    assert [note.partition(";")[0] for note in notes] == [
        "run1/out0.h5: time: in 'ms', but 's' in the recipe"
    ]


@pytest.mark.parametrize(
    ("unit", "told"), [("hours", []), ("H", []), ("ms", ["time: in 'ms', but 'h' in the recipe"])]
)
def test_a_run_with_times_in_another_unit_is_told(tmp_path, unit, told):
    for number, each in enumerate(("h", unit)):
        path = write_netcdf(tmp_path / f"run{number}.nc", {"T": (("time", "x", "y"), U), **LISTS})
        with netCDF4.Dataset(path, "a") as file:
            file["time"].units = each
    recipe = make(Recipe, tomllib.loads(edited(draft(tmp_path), masked=False)), "draft")
    notes = caveats(recipe, find_inputs(recipe, tmp_path))
    assert [note.partition(";")[0] for note in notes] == [f"run1.nc: {each}" for each in told]
