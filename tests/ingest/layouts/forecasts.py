"""Files of weather models, plasma codes and particle codes: WeatherBench, COSMO, OSIRIS, LAMMPS."""

import netCDF4
import numpy as np

from tests.ingest.layouts.writers import LISTS, Right, layout
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, P, T, U, V, write_hdf5, write_netcdf

LEVELS = 5
VOLUME = np.stack([U.swapaxes(1, 2) + level for level in range(LEVELS)], axis=1)


@layout
def forecasts_that_start_on_several_days(folder):
    values = np.stack([U.swapaxes(1, 2) + day for day in range(4)])
    arrays = {
        "t2m": (("init", "prediction_timedelta", "latitude", "longitude"), values),
        "init": (("init",), 24.0 * np.arange(4)),
        "prediction_timedelta": (("prediction_timedelta",), TIME),
        "latitude": (("latitude",), CENTRES_Y),
        "longitude": (("longitude",), CENTRES_X),
    }
    path = write_netcdf(folder / "forecasts.nc", arrays)
    with netCDF4.Dataset(path, "a") as file:
        file.renameDimension("init", "time")
        file.renameVariable("init", "time")
        file["time"].units, file["prediction_timedelta"].units = "hours since 2020-01-01", "hours"
    return Right(path, {"t2m": values}, TIME, runs=4, unit="hours")


@layout
def states_of_cosmo_with_the_latitude_of_each_cell(folder):
    for step in range(T):
        arrays = {
            "time": (("time",), 3600 * TIME[step : step + 1]),
            "T": (("time", "level", "rlat", "rlon"), VOLUME[step : step + 1]),
            "PS": (("time", "rlat", "rlon"), P.swapaxes(1, 2)[step : step + 1]),
            "rlat": (("rlat",), CENTRES_Y),
            "rlon": (("rlon",), CENTRES_X),
            "lat": (("rlat", "rlon"), np.add.outer(CENTRES_Y, 0 * CENTRES_X)),
            "lon": (("rlat", "rlon"), np.add.outer(0 * CENTRES_Y, CENTRES_X)),
        }
        write_netcdf(folder / f"lfff0{step // 4}{6 * (step % 4):02d}0000.nc", arrays)
    return Right(folder, {"T": VOLUME}, 3600 * TIME)


@layout
def states_of_osiris_in_a_folder_per_field(folder):
    for name, values in (("e1", U), ("e2", V), ("b3", P)):
        for step in range(T):
            path = folder / "MS" / "FLD" / name / f"{name}-{10 * step:06d}.h5"
            write_hdf5(path, {name: values[step].T, "AXIS/AXIS1": [0.0, 2.0]}, TIME=TIME[step : step + 1])
    return Right(folder, {"e1": U, "e2": V, "b3": P}, TIME)


@layout
def histograms_of_particles_between_edges(folder):
    for kelvin in (300, 320):
        edges = {"xedges": np.linspace(0, 2, 10), "yedges": np.linspace(0, 1, 8)}
        np.savez(folder / f"profile_{kelvin}K.npz", density=U + kelvin, time_ps=TIME, **edges)
    return Right(folder, {"density": np.stack([U + 300, U + 320])}, TIME, runs=2, unit="ps")


@layout
def a_complex_wave_function_next_to_its_potential(folder):
    for strength in ("0.5", "1.0", "2.0"):
        np.savez(folder / f"psi_g{strength}.npz", psi=U + 1j * V, V=P[0], **LISTS)
    return Right(folder, refused="psi holds complex numbers.*its real and its imaginary part")


@layout
def planes_of_a_covering_grid_of_yt(folder):
    mesh = dict(zip("xyz", np.meshgrid(CENTRES_X, CENTRES_Y, [0.5], indexing="ij"), strict=True))
    for step in range(T):
        arrays = {"grid/density": U[step, ..., None], **{f"grid/{axis}": mesh[axis] for axis in mesh}}
        path = folder / f"plt{7 * step:05d}_covering_grid.h5"
        write_hdf5(path, arrays, current_time=TIME[step], dimensionality=2)
    return Right(folder, {"density": U}, TIME)
