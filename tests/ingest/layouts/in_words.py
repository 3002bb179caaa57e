"""Numbers that programs write as text: times of states, parameters of runs."""

import netCDF4
import numpy as np
import zarr

from tests.ingest.layouts.writers import CELLS, LISTS, Right, layout
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, P, T, U, write_hdf5, write_netcdf


@layout
def states_whose_time_is_text(folder):
    for step in range(T):
        write_hdf5(
            folder / f"out{step:03d}.h5", {"rho": U[step], "E": P[step], **CELLS}, time=f"t={TIME[step]}"
        )
    return Right(folder, {"rho": U, "E": P}, TIME)


@layout
def states_whose_time_is_text_with_a_unit(folder):
    for step in range(T):
        arrays = {"h": (("y", "x"), U[step].T), "x": (("x",), CENTRES_X), "y": (("y",), CENTRES_Y)}
        path = write_netcdf(folder / f"out{step:03d}.nc", arrays, "NETCDF3_64BIT_OFFSET")
        with netCDF4.Dataset(path, "a") as file:
            file.time = f"{1000 * TIME[step]} ms"
    return Right(folder, {"h": U.swapaxes(1, 2)}, 1000 * TIME, unit="ms")


@layout
def parameters_of_runs_as_text(folder):
    for run in range(2):
        root = zarr.open_group(folder / f"run{run}.zarr", mode="w")
        for name, values in ({"u": U + run} | LISTS).items():
            root.create_array(name, data=values)
        root.attrs.update(Re=f"{100 * run + 50}.5", scheme="RK4", version="1.1.0", note="Pr=7", member="0012")
    scalars = {"Re": [50.5, 150.5], "note": [np.nan, np.nan], "member": [np.nan, np.nan]}
    return Right(folder, {"u": np.stack([U, U + 1])}, TIME, runs=2, scalars=scalars)
