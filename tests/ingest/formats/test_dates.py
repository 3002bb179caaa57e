"""Lists of dates in numpy's formats: every unit is read, and no header ends an inspection."""

import io
import zipfile

import numpy as np
import pytest

from ingest.drafting.draft import draft
from ingest.fields.gaps import missing_steps
from ingest.fields.reference_dates import counted_in, unit_of_dates
from ingest.formats.dates import dates_in, may_hold_dates
from ingest.name_numbers import is_date

DAYS = np.array(["1969-12-31", "2000-02-29", "2261-01-01"], "M8[D]")


@pytest.mark.parametrize("unit", ["Y", "M", "W", "D", "h", "6h", "m", "s", "ms", "us", "ns"])
def test_datetimes_of_every_unit_are_seconds_as_numpy_counts_them(unit):
    values = DAYS.astype(f"M8[{unit}]")
    found = dates_in(values, "a.npz:/times")
    assert found is not None
    np.testing.assert_array_equal(found.seconds, values.astype("M8[s]").astype(np.int64))


@pytest.mark.parametrize("unit", ["ps", "fs", "as"])
def test_units_that_no_date_needs_are_no_dates(unit):
    assert not may_hold_dates((3,), np.dtype(f"M8[{unit}]"))


def test_dates_that_are_absent_or_out_of_range_are_no_dates():
    assert dates_in(np.array(["NaT", "2000-01-01"], "M8[s]"), "a") is None
    assert dates_in(np.array([2**62], "M8[Y]"), "a") is None
    assert not may_hold_dates((2**40,), np.dtype("U5"))
    assert not is_date("20\u0662\u06600101")
    assert missing_steps([0, 1, 2, 3, float("inf")]) is None


def test_years_beyond_four_digits_are_counted_from_1970():
    seconds = [-62e9 * 2, -62e9 * 2 + 3600]
    unit = unit_of_dates(seconds)
    assert counted_in((0.0,), unit, "seconds since 1970-01-01") == (0.0,)
    assert unit.endswith("since 1970-01-01 00:00:00")


@pytest.mark.parametrize(
    ("kind", "shape", "body"),
    [
        ("|S1", (-1, -1), b"a"),
        ("<U0", (2,), b""),
        ("|S8", (2**70,), b""),
        ("<M8[as]", (5,), bytes(40)),
        ("<M8[ps]", (5,), bytes(range(40))),
    ],
)
def test_an_npz_with_a_hostile_header_next_to_a_field_is_drafted(tmp_path, kind, shape, body):
    header = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    field = io.BytesIO()
    np.save(field, np.random.default_rng(0).normal(size=(5, 8, 9)))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr(
            "names.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body
        )
        archive.writestr("u.npy", field.getvalue())
    assert 'name = "u"' in draft(tmp_path / "a.npz")
