"""Folders of runs: variables on grids of their own, pieces in folders, splits and parameters in names."""

import h5py
import netCDF4
import numpy as np
import zarr

from tests.ingest.layouts.writers import CELLS, LISTS, Right, layout, save
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, P, T, U, V, write_hdf5, write_netcdf

PIECES = (slice(0, 3), slice(3, 6))
LATITUDES, LONGITUDES = np.meshgrid(CENTRES_Y, CENTRES_X, indexing="ij")
SPEEDS = (100, 200, 400)


def on_axes(values: np.ndarray, times: np.ndarray) -> dict:
    """A field u over time, y and x, with its lists."""
    lists = {"time": (("time",), times), "y": (("y",), CENTRES_Y), "x": (("x",), CENTRES_X)}
    return {"u": (("time", "y", "x"), values.swapaxes(1, 2)), **lists}


def nemo(path, fields, frames=slice(0, T), shift=0.0):
    """A file of NEMO: its own nav_lon, nav_lat and bounds of times, dates in seconds."""
    grid = {"nav_lon": (("y", "x"), LONGITUDES + shift), "nav_lat": (("y", "x"), LATITUDES)}
    days = np.arange(T)[frames] * 86400.0
    times = {
        "time_counter": (("time_counter",), days + 43200),
        "time_counter_bounds": (("time_counter", "axis_nbounds"), np.stack([days, days + 86400], axis=1)),
    }
    arrays = {
        name: (("time_counter", "y", "x"), values[frames].swapaxes(1, 2)) for name, values in fields.items()
    }
    write_netcdf(path, arrays | grid | times)
    with netCDF4.Dataset(path, "a") as file:
        file["time_counter"].setncatts(
            {"units": "seconds since 2000-01-01", "standard_name": "time", "bounds": "time_counter_bounds"}
        )


@layout
def nemo_with_a_file_per_grid(folder):
    for grid, fields in (("T", {"sst": U, "sss": P}), ("U", {"vozocrtx": V}), ("V", {"vomecrty": V + 1})):
        nemo(folder / f"ORCA_1d_20000101_grid_{grid}.nc", fields)
    fields = {"sst": U, "sss": P, "vozocrtx": V, "vomecrty": V + 1}
    return Right(folder, fields, np.arange(T) * 86400.0)


@layout
def nemo_with_a_file_per_grid_and_piece(folder):
    for piece, frames in enumerate(PIECES):
        for grid, fields in (("T", {"sst": U, "sss": P}), ("U", {"uo": V})):
            nemo(
                folder / f"GYRE_1d_2000010{3 * piece + 1}_grid_{grid}.nc", fields, frames, 0.1 * (grid == "U")
            )
    return Right(folder, {"sst": U, "sss": P, "uo": V}, np.arange(T) * 86400.0)


@layout
def variables_whose_files_repeat_the_coordinates_and_an_area(folder):
    grid = {
        "lon": (("y", "x"), LONGITUDES),
        "lat": (("y", "x"), LATITUDES),
        "area": (("y", "x"), 1 + LATITUDES),
    }
    for run, shift in (("alfa", 0), ("beta", 1)):
        for name, values in (("q", U), ("w", P)):
            array = (("time", "y", "x"), values.swapaxes(1, 2) + shift)
            write_netcdf(folder / f"{run}_{name}.nc", {name: array, "time": (("time",), TIME), **grid})
    return Right(folder, {"q": np.stack([U, U + 1]), "w": np.stack([P, P + 1])}, TIME, runs=2)


@layout
def groups_called_by_a_parameter(folder):
    arrays = {f"Re{speed}/u": U * speed for speed in SPEEDS}
    path = write_hdf5(folder / "sweep.h5", arrays | {f"Re{speed}/t": TIME for speed in SPEEDS} | CELLS)
    return Right(
        path, {"u": np.stack([U * speed for speed in SPEEDS])}, TIME, runs=3, scalars={"Re": [*SPEEDS]}
    )


@layout
def zarr_groups_called_by_two_parameters(folder):
    group = zarr.open_group(folder / "sweep.zarr", mode="w")
    for nu, amplitude in ((0.01, 2.0), (0.02, 2.0)):
        for name, values in ({"u": U * nu} | LISTS).items():
            group.create_array(f"nu={nu}_Ma={amplitude}/{name}", data=values)
    fields = {"u": np.stack([U * 0.01, U * 0.02])}
    scalars = {"nu": [0.01, 0.02], "Ma": [2.0, 2.0]}
    return Right(folder / "sweep.zarr", fields, TIME, runs=2, scalars=scalars)


@layout
def groups_of_a_parameter_in_groups_of_cases(folder):
    arrays = dict(LISTS)
    for case, shift in (("a", 0), ("b", 1)):
        arrays |= {f"case_{case}/Re{speed}/u": U * speed + shift for speed in SPEEDS}
    path = write_hdf5(folder / "sweep.h5", arrays)
    fields = [U * speed + shift for shift in (0, 1) for speed in SPEEDS]
    return Right(path, {"u": np.stack(fields)}, TIME, runs=6, scalars={"Re": [*SPEEDS, *SPEEDS]})


@layout
def groups_of_seeds_in_files_of_a_parameter(folder):
    for speed in SPEEDS:
        arrays = {f"seed{seed}/omega": U * speed + seed for seed in range(2)}
        write_hdf5(folder / f"Re{speed}.h5", arrays | {f"seed{seed}/t": TIME for seed in range(2)} | CELLS)
    fields = [U * speed + seed for speed in SPEEDS for seed in range(2)]
    scalars = {"Re": [100.0, 100, 200, 200, 400, 400]}
    return Right(folder, {"omega": np.stack(fields)}, TIME, runs=6, scalars=scalars)


@layout
def pieces_in_folders(folder):
    for piece, frames in enumerate(PIECES):
        write_hdf5(folder / f"leg{piece}" / "out.h5", {"u": U[frames], "t": TIME[frames], **CELLS})
    return Right(folder, {"u": U}, TIME)


@layout
def pieces_in_folders_of_runs_that_repeat_a_state(folder):
    for run, shift in (("a", 0), ("b", 1)):
        for piece, frames in enumerate((slice(0, 4), slice(3, 6))):
            arrays = {"u": U[frames] + shift, "t": TIME[frames], **CELLS}
            write_hdf5(folder / run / f"restart_{piece + 1}" / "data" / "out.h5", arrays)
    return Right(folder, {"u": np.stack([U, U + 1])}, TIME, runs=2)


@layout
def runs_in_numbered_folders(folder):
    for run in range(3):
        write_hdf5(folder / f"output{run}" / "out.h5", {"u": U + run, **LISTS})
    return Right(folder, {"u": np.stack([U, U + 1, U + 2])}, TIME, runs=3)


@layout
def pieces_in_folders_of_dates(folder):
    days = (("01", "30"), ("01", "31"), ("02", "01"))
    for number, (month, day) in enumerate(days):
        path = folder / "2020" / month / f"{day}.nc"
        write_netcdf(path, on_axes(U[2 * number : 2 * number + 2], np.array([0.0, 12.0])))
        with netCDF4.Dataset(path, "a") as file:
            file["time"].units = f"hours since 2020-{month}-{day}"
    return Right(folder, {"u": U.swapaxes(1, 2)}, np.arange(T) * 12.0)


@layout
def states_of_days_in_folders_of_months(folder):
    days = ("01/30", "01/31", "02/01", "02/02", "02/03", "02/04")
    for number, day in enumerate(days):
        save(folder / "2020" / f"{day}.npy", U[number])
    return Right(folder, {"data": U}, np.arange(T))


@layout
def splits_and_parameters_in_names(folder):
    cases = (("train", 100, 1), ("train", 100, 2), ("train", 200, 1), ("test", 200, 2), ("test", 400, 1))
    for split, speed, seed in cases:
        write_hdf5(folder / f"{split}_Re{speed}_seed{seed}.h5", {"u": U * speed + seed, **LISTS})
    fields = {"u": np.stack([U * speed + seed for _, speed, seed in cases])}
    return Right(folder, fields, TIME, runs=5, scalars={"Re": [100, 100, 200, 200, 400]})


@layout
def splits_of_one_run_in_groups(folder):
    arrays = {"train/u": U, "train/t": TIME, "test/u": U + 1, "test/t": TIME}
    path = write_hdf5(folder / "runs.h5", arrays | CELLS)
    return Right(path, {"u": np.stack([U, U + 1])}, TIME, runs=2)


@layout
def streams_of_output_with_other_fields(folder):
    for number, frames in enumerate(PIECES):
        monthly = on_axes(U[frames], TIME[frames]) | {"p": on_axes(P[frames], TIME[frames])["u"]}
        write_netcdf(folder / f"cam.h0.2000-0{number + 1}.nc", monthly)
        daily = {"rain": (("time", "y", "x"), V.swapaxes(1, 2)), "time": (("time",), TIME + 10 * number)}
        write_netcdf(folder / f"cam.h1.2000-0{number + 1}.nc", daily)
    return Right(folder, {"u": U, "p": P}, TIME)


@layout
def states_next_to_folders_of_checkpoints(folder):
    for step in range(T):
        write_hdf5(folder / f"plt{10 * step:05d}" / "level_0.h5", {"rho": U[step]}, time=TIME[step])
    for step in (2, 5):
        write_hdf5(folder / f"chk{10 * step:05d}" / "level_0.h5", {"rho": U[step]}, time=TIME[step])
    return Right(folder, {"rho": U}, TIME)


def legs(folder, shift, starts, word="restart"):
    """States in the folder of each leg, the first of each a state that the one before holds too."""
    for leg, start in enumerate(starts):
        for step in range(start, (*starts, T - 1)[leg + 1] + 1):
            path = folder / f"{word}{leg}" / f"field_{step:04d}.h5"
            write_hdf5(path, {"u": U[step] + shift, **CELLS}, time=TIME[step])


@layout
def states_in_folders_of_restarts(folder):
    for nu, shift in ((0.01, 0), (0.02, 1)):
        legs(folder / f"nu{nu}", shift, (0, 2))
    return Right(folder, {"u": np.stack([U, U + 1])}, TIME, runs=2, scalars={"nu": [0.01, 0.02]})


@layout
def states_that_go_on_in_numbered_folders(folder):
    legs(folder, 0, (0, 2, 4), word="batch_")
    return Right(folder, {"u": U}, TIME)


@layout
def states_in_numbered_folders_that_all_begin_anew(folder):
    for number in range(2):
        for step in range(T):
            write_hdf5(
                folder / f"restart{number}" / f"field_{step:04d}.h5", {"u": U[step] + number}, time=TIME[step]
            )
    return Right(folder, {"u": np.stack([U, U + 1])}, TIME, runs=2)


@layout
def states_in_folders_of_restarts_whose_names_count_on(folder):
    legs(folder, 0, (0, 2))
    for path in folder.rglob("*.h5"):
        with h5py.File(path, "r+") as file:
            del file.attrs["time"]
    return Right(folder, {"u": U}, np.arange(T))


@layout
def states_in_groups_whose_time_is_in_a_header(folder):
    path = write_hdf5(folder / "run.h5", {f"snap_{step}/gas/rho": U[step] for step in range(T)})
    with h5py.File(path, "r+") as file:
        for step in range(T):
            file.create_group(f"snap_{step}/Header").attrs["Time"] = TIME[step]
    return Right(path, {"rho": U}, TIME)


@layout
def npy_of_runs_with_channels_of_their_own(folder):
    runs = np.stack([U, U + 1, U + 2])
    arrays = {
        "disp": np.stack([runs, -runs], axis=-1),
        "sigma": np.stack([runs, 2 * runs, P - runs], axis=-1),
    }
    for name, values in (arrays | {"E": np.array([3.0, 1.0, 2.0]), "t": TIME}).items():
        save(folder / f"{name}.npy", values)
    fields = {"disp_x": runs, "sigma_1": 2 * runs}
    return Right(folder, fields, TIME, runs=3, scalars={"E": [3.0, 1.0, 2.0]})


@layout
def a_mask_in_a_file_next_to_the_states(folder):
    solid = np.zeros(U[0].shape, bool)
    solid[3:5, 2] = True
    for run in ("a", "b"):
        save(folder / run / "obstacle.npy", solid)
        for step in range(T):
            save(folder / run / "npy" / f"rho_{step:03d}.npy", np.where(solid, 0, U[step] + (run == "b")))
    return Right(folder, {"data": np.stack([U, U + 1])}, runs=2, solid=solid)
