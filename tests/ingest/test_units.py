"""Units of times and axes go from the attributes of a file to recipe and card, and to all that shows them."""

import re
import tomllib
from dataclasses import replace

import netCDF4
import numpy as np
import pytest
import xarray

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from ingest.reporting.report import report
from pipelines.forecast_file import ForecastFrame, ForecastMetadata, write_forecast
from shards.program.settings import make
from shards.read import Dataset
from shards.xarray_backend import WalrusBackendEntrypoint

UNITS = {"time": "days since 2001-02-03", "lat": "degrees_north", "lon": "degrees_east"}


@pytest.fixture(scope="module")
def weather(tmp_path_factory):
    """A file with units, its drafted recipe and the dataset: t2m [6, 8, 12] in K."""
    folder = tmp_path_factory.mktemp("weather")
    with netCDF4.Dataset(folder / "weather.nc", "w") as file:
        for name, values in {
            "time": np.arange(6.0),
            "lat": 7.5 - np.arange(8.0),
            "lon": np.arange(12.0),
        }.items():
            file.createDimension(name, len(values))
            file.createVariable(name, "f8", (name,))[:] = values
            file[name].units = UNITS[name]
        file.createVariable("t2m", "f4", ("time", "lat", "lon"))[:] = np.random.default_rng(3).random(
            (6, 8, 12)
        )
        file["t2m"].units = "K"
    text = draft(folder / "weather.nc")
    text = re.sub(r"^# (lat|lon) = .*$", r'\1 = ["wall", "wall"]', text, flags=re.MULTILINE)
    recipe = make(Recipe, tomllib.loads(text), "weather.toml")
    build(plan_build(recipe, folder / "weather.nc", "zarr", "lz4"), folder / "data", Resources(1))
    return folder, recipe, Dataset(folder / "data" / "weather")


def test_a_draft_takes_the_units_of_a_file_into_the_card(weather):
    _, recipe, dataset = weather
    assert recipe.units == dataset.card.schema.units == UNITS


def test_xarray_shows_units_of_times_and_axes(weather):
    folder, _, dataset = weather
    opened = xarray.open_dataset(dataset.folder, engine=WalrusBackendEntrypoint)
    said = {name: opened[name].attrs["units"] for name in (*UNITS, "lat_width", "t2m")}
    assert said == UNITS | {"lat_width": "degrees_north", "t2m": "K"}
    # With its unit a list of days is dates to xarray, as the file itself is.
    decoded, source = xarray.decode_cf(opened), xarray.open_dataset(folder / "weather.nc")
    np.testing.assert_array_equal(decoded.time, source.time)


def test_a_forecast_file_has_them(weather):
    folder, _, dataset = weather
    schema = dataset.card.schema
    frame = ForecastFrame(np.ones(schema.frame_shape, "f4"), None)
    write_forecast(folder / "out.nc", ForecastMetadata(schema, (6.0,), 1, {}), iter([frame]))
    with netCDF4.Dataset(folder / "out.nc") as file:
        assert {name: file[name].units for name in UNITS} == UNITS
        assert file["time"].long_name == "time"


def test_the_report_labels_axes_and_times(weather):
    *_, dataset = weather
    page = report(dataset).read_text()
    assert "lat [degrees_north] 0.5 to 7.5, lon [degrees_east] 0 to 11" in page
    assert "days since 2001-02-03" in page


def test_another_unit_of_an_axis_changes_the_card_and_no_shard(weather):
    folder, recipe, dataset = weather
    shards = {place: place.stat().st_mtime_ns for place in dataset.folder.glob("train/**/c/**/*")}
    lat = replace(recipe.coordinates["lat"], unit="degree")
    other = replace(recipe, coordinates=recipe.coordinates | {"lat": lat})
    build(plan_build(other, folder / "weather.nc", "zarr", "lz4"), folder / "data", Resources(1))
    assert Dataset(dataset.folder).card.schema.units == UNITS | {"lat": "degree"}
    assert shards == {place: place.stat().st_mtime_ns for place in dataset.folder.glob("train/**/c/**/*")}


def test_another_date_to_count_from_builds_the_times_again(weather):
    folder, recipe, _ = weather
    assert recipe.time is not None
    other = replace(recipe, time=replace(recipe.time, unit="hours since 2001-02-02"))
    build(plan_build(other, folder / "weather.nc", "zarr", "lz4"), folder / "data", Resources(1))
    dataset = Dataset(folder / "data" / "weather")
    (entry,) = dataset.index.trajectories
    assert dataset.card.schema.units["time"] == "hours since 2001-02-02"
    assert dataset.document(entry).trajectory.time == tuple(24.0 * np.arange(1, 7))
