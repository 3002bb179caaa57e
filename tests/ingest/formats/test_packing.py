"""Attributes decode as xarray decodes them, in every kind of file that has attributes."""

import json
import warnings
from itertools import product

import netCDF4
import numpy as np
import pytest
import xarray
import zarr

from ingest.formats.open_any import located, open_arrays
from ingest.formats.packing import packing
from shards.errors import SourceError

TYPES = ("i1", "u1", "i2", "i4", "f4", "f8")
SCALES = ({}, {"scale_factor": -1e-4}, {"add_offset": 0.5}, {"scale_factor": 0.25, "add_offset": -2.0})
FILLS = ({}, {"_FillValue": 7}, {"missing_value": 9}, {"_FillValue": 7, "missing_value": 9})
UNSIGNED = ({}, {"_Unsigned": "true"}, {"_Unsigned": "false"})
WIDTHS = (np.float32, np.float64)


def numbers(dtype: str) -> np.ndarray:
    """[3, 5] with the fill values 7 and 9 among them, and the ends of small integers."""
    values = np.arange(15).reshape(3, 5).astype(dtype)
    if dtype in ("i1", "i2"):
        values[2] = [-128, -1, 127, 7, 9]
    return values


def typed(attributes: dict, dtype: str, width=np.float64) -> dict:
    """Fill values in the type of the array, as NetCDF asks; scale and offset in a float type."""
    kinds = {"_FillValue": np.dtype(dtype).type, "missing_value": np.dtype(dtype).type}
    return {
        name: value if isinstance(value, str) else kinds.get(name, width)(value)
        for name, value in attributes.items()
    }


def combinations():
    for dtype, scale, fill, unsigned in product(TYPES, SCALES, FILLS, UNSIGNED):
        if dtype.startswith("f") and unsigned:
            continue
        yield dtype, scale | fill | unsigned


def as_ours(path) -> np.ndarray:
    with open_arrays(located(path)) as arrays:
        array = arrays.array("u")
        values = array.slab(slice(None), slice(None))
        assert values.dtype == array.dtype
        return values


def as_xarray(path, **how) -> dict[str, tuple[np.dtype, np.ndarray]]:
    """The type and the values of every variable of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xarray.open_dataset(path, decode_times=False, **how) as file:
            return {name: (each.dtype, each.values) for name, each in file.data_vars.items()}


def read_otherwise(path, expected: dict[str, tuple[np.dtype, np.ndarray]]) -> list[str]:
    """The variables to which we give another type, or other values, than those that are expected."""
    found = []
    with open_arrays(located(path)) as arrays:
        for name, (dtype, values) in expected.items():
            array = arrays.array(name)
            read = array.slab(slice(None), slice(None))
            if not read.dtype == array.dtype == dtype or not np.array_equal(read, values, equal_nan=True):
                found.append(name)
    return found


# Many in one file: to make and open a file takes longer than to read it.
COMBINATIONS = {f"u{number}": each for number, each in enumerate(combinations())}


@pytest.mark.parametrize("width", WIDTHS)
def test_netcdf_decodes_as_xarray_over_all_combinations(tmp_path, width):
    path = tmp_path / "all.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 3)
        file.createDimension("y", 5)
        for name, (dtype, attributes) in COMBINATIONS.items():
            named = typed(attributes, dtype, width)
            variable = file.createVariable(name, dtype, ("x", "y"), fill_value=named.pop("_FillValue", None))
            variable.set_auto_maskandscale(False)
            variable.setncatts(named)
            variable[:] = numbers(dtype)
    expected = as_xarray(path, engine="netcdf4")
    assert set(expected) == set(COMBINATIONS)
    assert read_otherwise(path, expected) == []


@pytest.mark.parametrize("consolidated", [False, True])
@pytest.mark.parametrize("form", [2, 3])
def test_zarr_decodes_as_xarray_over_all_combinations(tmp_path, form, consolidated):
    # Without consolidated metadata xarray lists a whole store for each of its variables.
    names = list(COMBINATIONS)
    for first in range(0, len(names), 16):
        variables, encoding = {}, {}
        for name in names[first : first + 16]:
            dtype, attributes = COMBINATIONS[name]
            rest = {key: value for key, value in attributes.items() if key != "_FillValue"}
            fill = attributes.get("_FillValue")
            variables[name] = xarray.Variable(("x", "y"), numbers(dtype), rest)
            encoding[name] = {"_FillValue": None if fill is None else np.dtype(dtype).type(fill)}
        store = tmp_path / f"{first}.zarr"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            written = xarray.Dataset(variables)
            written.to_zarr(store, zarr_format=form, consolidated=consolidated, encoding=encoding)
        expected = as_xarray(store, engine="zarr", consolidated=consolidated)
        assert set(expected) == set(variables)
        assert read_otherwise(store, expected) == []


def test_the_fill_value_of_zarr_2_is_a_number_where_no_dimensions_are_named(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("u", data=np.zeros((3, 5)), fill_value=0.0)
    assert (as_ours(tmp_path / "a.zarr") == 0).all()


def test_what_is_outside_the_valid_range_is_missing(tmp_path):
    """netCDF4 masks it, xarray does not."""
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 3)
        file.createDimension("y", 5)
        variable = file.createVariable("u", "i2", ("x", "y"))
        variable[:] = numbers("i2")
        variable.setncatts({"valid_range": np.array([0, 100], "i2"), "scale_factor": 0.5})
        variable[:].filled(np.nan)
    with netCDF4.Dataset(path) as file:
        expected = file["u"][:]
    np.testing.assert_array_equal(as_ours(path), expected.filled(np.nan))
    assert expected.mask.sum() == 3


def test_a_range_in_the_type_of_values_is_one_of_values():
    rule = packing(np.dtype("i2"), {"valid_max": np.float64(2.0), "scale_factor": np.float64(0.5)}, "file:u")
    np.testing.assert_array_equal(rule.decode(np.array([3, 4, 5], "i2")), [1.5, 2.0, np.nan])


@pytest.mark.parametrize(
    ("attributes", "fault"),
    [
        ({"scale_factor": "two"}, "attribute scale_factor holds 'two'; expected one number"),
        ({"scale_factor": np.array([1.0, 2.0])}, "expected one finite number"),
        ({"add_offset": np.inf}, "expected one finite number"),
        ({"_Unsigned": "perhaps"}, "expected true or false"),
    ],
)
def test_an_attribute_that_is_not_as_agreed_is_named(attributes, fault):
    with pytest.raises(SourceError, match=fault):
        packing(np.dtype("i2"), attributes, "file:u")


def test_a_packed_array_is_told(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("u", data=numbers("i2"), attributes={"scale_factor": 0.5, "add_offset": 2})
    with open_arrays(located(tmp_path / "a.zarr")) as arrays:
        assert "packed: each value is the stored int16 times 0.5 plus 2" in arrays.caveats()["u"]


def test_a_base64_fill_value_that_is_none_is_named(tmp_path):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w")
    group.create_array("u", data=numbers("f8"), attributes={"_FillValue": "AAA"})
    assert json.loads((tmp_path / "a.zarr" / "u" / "zarr.json").read_text())["zarr_format"] == 3
    with pytest.raises(SourceError, match="expected a number, or eight bytes as base64"):
        as_ours(tmp_path / "a.zarr")
