"""Files whose times are dates, written as text, as numpy's datetime64, in attributes and in names."""

import h5py
import netCDF4
import numpy as np
import pandas
import zarr

from tests.ingest.layouts.writers import CELLS, Right, layout
from tests.ingest.solvers import T, U, V, write_hdf5, write_netcdf

BEGIN = "2000-01-24 12:00:00"
# As pandas counts them: 6 hours apart, over the end of a day.
DATES = pandas.date_range(BEGIN, periods=T, freq="6h")
HOURS = ((DATES - DATES[0]) / pandas.Timedelta("1h")).to_numpy()
UNIT = f"hours since {BEGIN}"


def wrf(path, frames, kind, with_times=True):
    """A file of WRF: `Times` as letters, no XTIME."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(path, "w", format=kind) as file:
        for name, length in (("Time", None), ("DateStrLen", 19), ("south_north", 9), ("west_east", 7)):
            file.createDimension(name, length)
        if with_times:
            texts = [list(DATES[frame].strftime("%Y-%m-%d_%H:%M:%S")) for frame in range(T)[frames]]
            file.createVariable("Times", "S1", ("Time", "DateStrLen"))[:] = np.array(texts, "S1")
        for name, values in (("T2", U), ("PSFC", V)):
            file.createVariable(name, "f8", ("Time", "south_north", "west_east"))[:] = values[frames]


@layout
def wrf_with_times_as_letters_in_pieces(folder):
    for first in (0, 2, 4):
        wrf(folder / f"wrfout_d01_{DATES[first]:%Y-%m-%d_%H:%M:%S}", slice(first, first + 2), "NETCDF4")
    return Right(folder, {"T2": U, "PSFC": V}, HOURS, unit=UNIT)


@layout
def wrf_of_classic_netcdf_with_a_state_per_file(folder):
    for frame in range(T):
        wrf(folder / f"out_{DATES[frame]:%Y-%m-%d_%H}.nc", slice(frame, frame + 1), "NETCDF3_64BIT_OFFSET")
    return Right(folder, {"T2": U, "PSFC": V}, HOURS * 3600, unit=f"seconds since {BEGIN}")


@layout
def pieces_called_by_dates_without_any_times(folder):
    for first in (0, 3):
        wrf(folder / f"out_{DATES[first]:%Y%m%d_%H%M%S}.nc", slice(first, first + 3), "NETCDF4", False)
    return Right(folder, {"T2": U, "PSFC": V}, np.arange(T))


@layout
def npz_with_dates_as_text(folder):
    folder.mkdir(exist_ok=True)
    np.savez(folder / "a.npz", u=U, when=[each.isoformat() for each in DATES], **CELLS)
    return Right(folder / "a.npz", {"u": U}, HOURS, unit=UNIT)


@layout
def npz_with_datetime64_of_several_runs(folder):
    folder.mkdir(exist_ok=True)
    for run, shift in (("a", 0.0), ("b", 1.0)):
        np.savez(folder / f"{run}.npz", u=U + shift, t=DATES.to_numpy(), **CELLS)
    return Right(folder, {"u": np.stack([U, U + 1])}, HOURS, runs=2, unit=UNIT)


@layout
def hdf5_with_timestamps_in_a_zone(folder):
    zoned = [f"{each.isoformat()}+02:00" for each in DATES]
    path = write_hdf5(folder / "a.h5", {"u": U, **CELLS, "timestamp": zoned})
    return Right(path, {"u": U}, HOURS, unit="hours since 2000-01-24 10:00:00")


@layout
def states_with_a_date_as_an_attribute(folder):
    for frame, date in enumerate(DATES):
        write_hdf5(folder / f"swe_{frame:03d}.h5", {"h": U[frame], **CELLS}, time=f"{date:%Y-%m-%d %H:%M}")
    return Right(folder, {"h": U}, HOURS * 3600, unit=f"seconds since {BEGIN}")


@layout
def groups_with_a_date_as_an_attribute(folder):
    path = write_hdf5(folder / "a.h5", {f"step_{frame}/h": U[frame] for frame in range(T)} | CELLS)
    with h5py.File(path, "r+") as file:
        for frame, date in enumerate(DATES):
            file[f"step_{frame}"].attrs["time"] = np.bytes_(date.isoformat())
    return Right(path, {"h": U}, HOURS * 3600, unit=f"seconds since {BEGIN}")


@layout
def zarr_with_dates_as_text(folder):
    group = zarr.open_group(folder / "a.zarr", mode="w", zarr_format=3)
    for name, values in ({"u": U} | CELLS).items():
        group.create_array(name, data=values)
    dates = group.create_array("date", shape=(T,), dtype=str)
    dates[:] = np.array([f"{each:%Y/%m/%d %H:%M}" for each in DATES])
    return Right(folder / "a.zarr", {"u": U}, HOURS, unit=UNIT)


@layout
def runs_of_a_calendar_without_leap_years_a_year_apart(folder):
    for year in (2000, 2001):
        arrays = {"sst": (("time", "x", "y"), U + year), "time": (("time",), np.arange(T) * 1.0)}
        path = write_netcdf(folder / f"run{year}.nc", arrays)
        with netCDF4.Dataset(path, "a") as file:
            file["time"].setncatts({"units": f"days since {year}-03-01", "calendar": "noleap"})
    return Right(folder, {"sst": np.stack([U + 2000, U + 2001])}, np.arange(T) * 1.0, runs=2)
