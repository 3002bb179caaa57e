"""Times that count from dates, against what xarray makes of the same files."""

import cftime
import numpy as np
import pandas
import pytest
import xarray
from xarray.coding.times import decode_cf_datetime

from ingest.building.inputs import find_inputs
from ingest.fields.reference_dates import counted_in
from ingest.formats.dates import seconds_of_date
from ingest.source import find
from shards.errors import SourceError
from tests.ingest.fields.test_run_arrays import recipe
from tests.ingest.solvers import T, U

DATES = pandas.date_range("1999-12-30 18:00", periods=T, freq="90min")


@pytest.mark.parametrize("stated", ["", "minutes since 2000-01-01", "days since 1999-12-30 18:00:00"])
@pytest.mark.parametrize(
    "written", ["hours since 1900-01-01 00:00:0.0", "seconds since 1970-01-01T00:00:00Z"]
)
def test_dates_are_those_of_xarray_whatever_unit_the_recipe_states(tmp_path, written, stated):
    data = xarray.Dataset({"u": (("time", "x", "y"), U)}, {"time": DATES})
    place = tmp_path / "in" / "a.nc"
    place.parent.mkdir()
    data.to_netcdf(place, engine="netcdf4", encoding={"time": {"units": written, "dtype": "f8"}})
    time = {"stored": "time"} | ({"unit": stated} if stated else {})
    described = recipe(files="*.nc", fields=[{"name": "u"}], time=time)
    (found,) = find_inputs(described, place.parent)
    with find("arrays").open_file(found.place, described) as opened:
        times = np.array(opened.rows[0].time)
    expected = xarray.open_dataset(place).time.values
    np.testing.assert_array_equal(decode_cf_datetime(times, stated or written), expected)


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2000-02-29_06:30:00", "2000-02-29T06:30:00"),
        ("1066-10-14", "1066-10-14T00:00:00"),
        ("2031/1/2 03:04:05.125", "2031-01-02T03:04:05.125"),
        ("20000229T0630", "2000-02-29T06:30"),
        (" 1582-10-15T00Z", "1582-10-15"),
    ],
)
def test_a_date_in_text_is_that_of_numpy(text, iso):
    since = np.datetime64(iso, "ms") - np.datetime64("1970-01-01", "ms")
    assert seconds_of_date(text) == since / np.timedelta64(1, "s")


@pytest.mark.parametrize(
    "text", ["", "2000", "12.5", "2000-13-01", "2000-01-41", "2000-01-01 25:00", "v1-2-3", "now"]
)
def test_what_is_no_date_is_none(text):
    assert seconds_of_date(text) is None


@pytest.mark.parametrize("calendar", ["noleap", "365_day", "all_leap", "366_day", "360_day"])
def test_times_in_calendars_of_models_are_those_of_cftime(calendar):
    unit, wanted = "hours since 2003-03-01 06:00:00", "days since 1999-02-28"
    expected = cftime.date2num(cftime.num2date([0, 36], unit, calendar), wanted, calendar)
    found = counted_in((0, 36), f"{unit}, {calendar} calendar", f"{wanted}, {calendar} calendar")
    np.testing.assert_allclose(found, expected)


def test_times_in_two_calendars_are_refused():
    units = [f"days since 2000-01-01, {calendar} calendar" for calendar in ("noleap", "360_day")]
    with pytest.raises(SourceError, match=r"cannot be counted in .*; write a recipe with"):
        counted_in((0.0,), *units)
