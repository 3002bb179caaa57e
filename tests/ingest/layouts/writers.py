"""Files and folders as programs and people write them, each with the values that a draft must bring over.

Every writer fills a folder and says what is right: the fields over [T, *S] or [N, T, *S], or why no recipe is
drafted. Sides differ: 9 x 7 cells, 6 frames 0.25 apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import xarray
import zarr

from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, P, T, U, V, X, Y, write_hdf5, write_netcdf

CELLS = {"x": CENTRES_X, "y": CENTRES_Y}
LISTS = {"t": TIME, **CELLS}


@dataclass(frozen=True)
class Right:
    """What a draft must give: values by field, of one run or of several; times; words of a refusal.

    `answers` are lines that a person would write for what the draft leaves open, in place of its own.
    """

    source: Path
    fields: dict[str, np.ndarray] = field(default_factory=dict)
    times: np.ndarray | None = None
    runs: int = 1
    solid: np.ndarray | None = None
    scalars: dict[str, list[float]] = field(default_factory=dict)
    unit: str = ""
    refused: str = ""
    answers: tuple[tuple[str, str], ...] = ()


LAYOUTS: dict[str, Callable[[Path], Right]] = {}


def layout(write: Callable[[Path], Right]) -> Callable[[Path], Right]:
    LAYOUTS[write.__name__] = write
    return write


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)


@layout
def npy_a_variable_and_step_in_folders_of_runs(folder):
    for run, shift in (("low", 0.0), ("high", 1.0)):
        for name, values in (("rho", U), ("pressure", P)):
            for step in range(T):
                save(folder / run / f"{name}_{10 * step:04d}.npy", values[step] + shift)
    return Right(folder, {"rho": np.stack([U + 1, U]), "pressure": np.stack([P + 1, P])}, runs=2)


@layout
def hdf5_a_variable_and_step_with_one_array_called_data(folder):
    for name, values in (("u1", U), ("u2", V), ("temp", P)):
        for step in range(T):
            write_hdf5(
                folder / f"case.{name}.{step:05d}.h5", {"data": values[step], **CELLS}, time=TIME[step]
            )
    return Right(folder, {"velocity_x": U, "velocity_y": V, "temp": P}, TIME)


@layout
def a_folder_per_variable(folder):
    for name, values in (("vorticity", U), ("pressure", P)):
        for step in range(T):
            save(folder / name / f"{step:03d}.npy", values[step])
    return Right(folder, {"vorticity": U, "pressure": P})


@layout
def a_folder_per_time_step(folder):
    for step in range(T):
        for name, values in (("rho", U), ("T", P)):
            save(folder / f"{TIME[step]:g}" / f"{name}.npy", values[step])
    return Right(folder, {"rho": U, "T": P}, TIME)


@layout
def runs_with_a_folder_per_step_word(folder):
    for run in ("a", "b"):
        for step in range(T):
            path = folder / f"sim_{run}" / f"step_{step:04d}" / "state.h5"
            write_hdf5(path, {"rho": U[step] + (run == "b"), "E": P[step]}, time=TIME[step])
    return Right(folder, {"rho": np.stack([U, U + 1]), "E": np.stack([P, P])}, TIME, runs=2)


@layout
def npy_with_lists_of_their_own(folder):
    for name, values in ({"rho": U, "p": P} | LISTS).items():
        save(folder / f"{name}.npy", values)
    return Right(folder, {"rho": U, "p": P}, TIME)


@layout
def npy_a_run_a_file(folder):
    for run in range(3):
        save(folder / f"traj_{run:03d}.npy", np.stack([U + run, P + run], axis=1))
    return Right(folder, {"data_0": np.stack([U + run for run in range(3)])}, runs=3)


@layout
def matlab_7_3_with_axes_reversed(folder):
    arrays = {"U": U.swapaxes(1, 2), "x": CENTRES_X[None], "y": CENTRES_Y[None], "tspan": TIME[None]}
    path = write_hdf5(folder / "run.mat", arrays)
    with h5py.File(path, "r+") as file:
        for name in arrays:
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
    return Right(path, {"U": U}, TIME)


@layout
def one_array_of_samples_with_names_of_channels(folder):
    both = np.stack([np.stack([U + run, P + run], axis=1) for run in range(4)]).astype("f4")
    path = write_hdf5(folder / "train.h5", {"data": both, "time": TIME})
    with h5py.File(path, "r+") as file:
        file["data"].attrs["channels"] = ["density", "pressure"]
    runs = range(4)
    return Right(path, {"density": both[:, :, 0], "pressure": both[:, :, 1]}, TIME, runs=len(runs))


@layout
def channels_last_with_their_names_in_the_root(folder):
    values = np.stack([U, V, P], axis=-1)
    path = write_hdf5(folder / "sim.h5", {"solution": values, **LISTS})
    with h5py.File(path, "r+") as file:
        file.attrs["field_names"] = np.array([b"height", b"depth", b"salt"])
    return Right(path, {"height": U, "depth": V, "salt": P}, TIME)


@layout
def parameters_in_names_of_folders(folder):
    for viscosity in (0.01, 0.001):
        write_hdf5(folder / f"Re=100_nu={viscosity:g}" / "snapshots.h5", {"w": U / viscosity, **LISTS})
    values = np.stack([U / 0.01, U / 0.001])
    scalars = {"Re": [100.0, 100.0], "nu": [0.01, 0.001]}
    return Right(folder, {"w": values}, TIME, runs=2, scalars=scalars)


@layout
def parameters_next_to_each_run(folder):
    for run in range(2):
        path = write_hdf5(folder / f"run_{run}" / "snapshots.h5", {"w": U + run, **LISTS})
        (path.parent / "params.json").write_text(f'{{"Re": {100 * (run + 1)}, "solver": {{"dt": 0.01}}}}')
    return Right(folder, {"w": np.stack([U, U + 1])}, TIME, runs=2)


@layout
def a_zarr_group_per_run(folder):
    root = zarr.open_group(folder / "runs.zarr", mode="w", zarr_format=2)
    for run in range(3):
        group = root.create_group(f"run_{run}")
        for name, values in ({"u": U + run} | LISTS).items():
            group.create_array(name, data=values)
        group.attrs["viscosity"] = 0.1 * (run + 1)
    zarr.consolidate_metadata(folder / "runs.zarr")
    return Right(folder / "runs.zarr", {"u": np.stack([U, U + 1, U + 2])}, TIME, runs=3)


@layout
def a_zarr_store_per_run(folder):
    for run in range(2):
        data = xarray.Dataset({"u": (("time", "x", "y"), U + run)}, {"time": TIME, **CELLS})
        data.to_zarr(folder / f"seed{run}.zarr", zarr_format=3, consolidated=False)
    return Right(folder, {"u": np.stack([U, U + 1])}, TIME, runs=2)


@layout
def cells_of_openfoam_in_one_list(folder):
    cells = np.stack(np.meshgrid(CENTRES_X, CENTRES_Y, indexing="ij"), -1).reshape(-1, 2)
    velocity = np.stack([U, V], -1).reshape(T, -1, 2)
    path = write_hdf5(
        folder / "foam.h5", {"p": P.reshape(T, -1), "U": velocity, "cellCentres": cells, "times": TIME}
    )
    return Right(path, refused="no grid|unstructured|cells")


@layout
def levels_of_icon_on_latitudes(folder):
    with netCDF4.Dataset(folder / "icon.nc", "w") as file:
        lengths = {"time": None, "height": 4, "height_2": 1, "lat": Y, "lon": X}
        for name, length in lengths.items():
            file.createDimension(name, length)
        lists = {
            "time": TIME,
            "height": np.arange(4.0),
            "height_2": [2.0],
            "lat": CENTRES_Y,
            "lon": CENTRES_X,
        }
        for name, values in lists.items():
            file.createVariable(name, "f8", (name,))[:] = values
        file["time"].setncatts({"units": "days since 2020-01-01", "calendar": "proleptic_gregorian"})
        file["height"].setncatts({"axis": "Z", "positive": "down", "units": "level"})
        volume = np.stack([U.swapaxes(1, 2) + level for level in range(4)], axis=1)
        file.createVariable("ta", "f8", ("time", "height", "lat", "lon"))[:] = volume
        file.createVariable("tas", "f8", ("time", "height_2", "lat", "lon"))[:] = P.swapaxes(1, 2)[:, None]
    return Right(folder / "icon.nc", {"ta": volume}, TIME)


@layout
def mitgcm_mds_files(folder):
    for step in (0, 10):
        (folder / f"T.{step:010d}.data").write_bytes(U[0].astype(">f4").tobytes())
        (folder / f"T.{step:010d}.meta").write_text(" nDims = [   2 ];\n dimList = [ 9, 1, 9 ];")
    return Right(folder, refused="MITgcm.*xmitgcm")


@layout
def tensors_of_torch(folder):
    import torch

    for run in range(2):
        torch.save(torch.from_numpy(U), folder / f"run_{run}.pt")
    return Right(folder, refused="torch|pickle")


@layout
def castro_on_a_covering_grid(folder):
    for step in range(T):
        arrays = {"boxlib/density": U[step][..., None], "boxlib/xmom": V[step][..., None]}
        write_hdf5(folder / f"plt{100 * step:05d}.h5", arrays, current_time=TIME[step])
    return Right(folder, {"density": U, "xmom": V}, TIME)


@layout
def samples_in_groups_of_their_split(folder):
    arrays = {"train/u": np.stack([U, U + 1, U + 2]), "test/u": np.stack([P])}
    path = write_hdf5(folder / "data.h5", {**arrays, "t": TIME, **CELLS})
    return Right(path, {"u": np.stack([U, U + 1, U + 2, P])}, TIME, runs=4)


@layout
def a_body_that_moves_as_not_a_number(folder):
    values = U.copy()
    for step in range(T):
        values[step, 1 + step // 2 : 3 + step // 2, 2:4] = np.nan
    path = folder / "body.nc"
    data = xarray.Dataset({"temp": (("time", "x", "y"), values)}, {"time": TIME, **CELLS})
    data.to_netcdf(path, engine="netcdf4")
    return Right(path, {"temp": values}, TIME, solid=np.isnan(values).any(axis=0))


@layout
def days_over_the_turn_of_a_month(folder):
    for step, day in enumerate((20200129, 20200130, 20200131, 20200201, 20200202, 20200203)):
        write_hdf5(folder / f"swe_{day}.h5", {"h": U[step], **CELLS})
    return Right(folder, {"h": U}, np.arange(T), unit="days since 2020-01-29 00:00:00")


@layout
def days_of_a_calendar_without_leap_years(folder):
    data = xarray.Dataset({"u": (("time", "x", "y"), U)}, {"time": TIME, **CELLS})
    data["time"].attrs.update(units="days since 0001-01-01 00:00:00", calendar="noleap")
    data.to_netcdf(folder / "cam.nc", engine="netcdf4")
    return Right(folder / "cam.nc", {"u": U}, TIME)


@layout
def complex_wave_function(folder):
    path = write_hdf5(folder / "gpe.h5", {"psi": (U + 1j * V).astype("c8"), **LISTS})
    return Right(path, refused="psi holds complex.*real.*imag")


@layout
def a_broken_link_next_to_the_fields(folder):
    path = write_hdf5(folder / "linked.h5", {"u": U, **LISTS})
    with h5py.File(path, "r+") as file:
        file["mesh"] = h5py.ExternalLink("../meshes/mesh.h5", "/topology")
    return Right(path, {"u": U}, TIME)


def cholla_tile(
    path: Path, step: int, values: np.ndarray, start: tuple[int, ...], cells: tuple[int, ...]
) -> None:
    """A file of one process: `values` from cell `start` on, of a grid of so many cells."""
    attributes = {
        "t": TIME[step : step + 1],
        "dims": np.array(cells),
        "dims_local": np.array(values.shape),
        "offset": np.array(start),
        "bounds": np.zeros(3),
        "domain": np.array([2.0, 1.0, 1.0]),
    }
    write_hdf5(path, {"density": values, "momentum_x": -values, "momentum_y": 2 * values}, **attributes)


def cholla_planes(folder: Path) -> Path:
    """Two processes per state, which share the cells of x unequally."""
    for step in range(T):
        for rank, rows in enumerate((slice(0, 4), slice(4, X))):
            values = U[step, rows, :, None]
            cholla_tile(folder / f"{step}.h5.{rank}", step, values, (rows.start, 0, 0), (X, Y, 1))
    return folder


@layout
def cholla_a_file_per_process(folder):
    momentum = {"momentum_x": -U, "momentum_y": 2 * U}
    return Right(cholla_planes(folder), {"density": U, **momentum}, TIME)


@layout
def cholla_without_one_process(folder):
    cholla_planes(folder)
    for path in folder.glob("*.h5.1"):
        path.unlink()
    return Right(folder, refused="1 tiles of 28 cells.*file of the run missing")


@layout
def cholla_in_folders_of_steps(folder):
    volume = np.arange(T * X * Y * 4, dtype="f4").reshape(T, X, Y, 4)
    corners = ((0, 0), (4, 0), (0, 5), (4, 5))
    for step in range(T):
        for rank, (x, y) in enumerate(corners):
            tile = volume[step, x : 4 if x == 0 else X, y : 5 if y == 0 else Y]
            cholla_tile(folder / str(step) / f"{step}.h5.{rank}", step, tile, (x, y, 0), (X, Y, 4))
    return Right(folder, {"density": volume}, TIME)


def gamer_patches(folder: Path, children: list[int]) -> np.ndarray:
    """Patches [z, y, x] of 8 cells; corners in cells of the finest level, as x, y, z."""
    volume = np.arange(T * 16 * 8 * 8, dtype="f4").reshape(T, 16, 8, 8)
    for step in range(T):
        arrays = {
            "GridData/Dens": np.stack([volume[step, 8:], volume[step, :8]]),
            "Tree/Corner": np.array([[0, 0, 32], [0, 0, 0]]),
            "Tree/Son": np.array(children),
        }
        path = write_hdf5(folder / f"Data_{step:06d}", arrays)
        with h5py.File(path, "r+") as file:
            info = np.zeros(1, [("Time", "f8", (2,)), ("NLevel", "i4")])
            info["Time"] = TIME[step]
            file["Info/KeyInfo"] = info[0]
    return volume


@layout
def gamer_patches_of_one_level(folder):
    return Right(folder, {"Dens": gamer_patches(folder, [-1, -1])}, TIME)


@layout
def gamer_patches_that_are_refined(folder):
    gamer_patches(folder, [-1, 2])
    return Right(folder, refused="1 blocks that are refined further; expected one level")


@layout
def runs_in_folders_with_a_file_per_variable_and_list(folder):
    for run in range(2):
        for name, values in ({"u": U + run, "p": P} | LISTS).items():
            save(folder / f"run_{run}" / f"{name}.npy", values)
    return Right(folder, {"u": np.stack([U, U + 1]), "p": np.stack([P, P])}, TIME, runs=2)


@layout
def npy_a_variable_and_run_a_file(folder):
    for run in range(3):
        save(folder / f"density_{run:03d}.npy", U + run)
        save(folder / f"pressure_{run:03d}.npy", P - run)
    runs = range(3)
    fields = {"density": np.stack([U + run for run in runs]), "pressure": np.stack([P - run for run in runs])}
    return Right(folder, fields, runs=3)


@layout
def a_folder_per_run_and_variable(folder):
    for run in range(2):
        for name, values in (("rho", U + run), ("temperature", P)):
            for step in range(T):
                save(folder / f"case{run}" / name / f"{step:04d}.npy", values[step])
    return Right(folder, {"rho": np.stack([U, U + 1]), "temperature": np.stack([P, P])}, runs=2)


@layout
def months_that_count_from_dates_of_their_own(folder):
    values = np.concatenate([U, P, V])
    days = np.arange(3 * T) * 5.0
    for month, start in enumerate((0, 31, 60)):
        here = (days >= start) & (days < (31, 60, 91)[month])
        data = xarray.Dataset(
            {"t2m": (("time", "x", "y"), values[here])}, {"time": days[here] - start, **CELLS}
        )
        data["time"].attrs["units"] = f"days since 2020-{month + 1:02d}-01 00:00:00"
        data.to_netcdf(folder / f"era_2020{month + 1:02d}.nc", engine="netcdf4")
    return Right(folder, {"t2m": values}, days)


@layout
def decades_of_cmip(folder):
    for number, years in enumerate(("185001-185912", "186001-186912")):
        half = slice(3 * number, 3 * number + 3)
        data = xarray.Dataset({"tas": (("time", "lat", "lon"), U[half])}, {"time": TIME[half]})
        data = data.assign_coords(lat=CENTRES_X, lon=CENTRES_Y)
        data["time"].attrs.update(units="days since 1850-01-01", calendar="noleap")
        data.to_netcdf(folder / f"tas_Amon_MODEL_historical_r1i1p1f1_gn_{years}.nc", engine="netcdf4")
    return Right(folder, {"tas": U}, TIME)


@layout
def parameters_of_groups_of_runs(folder):
    for run in range(3):
        path = folder / "runs.h5"
        with h5py.File(path, "a") as file:
            group = file.create_group(f"sim_{run}")
            for name, values in ({"u": U + run} | LISTS).items():
                group[name] = values
            group.attrs["viscosity"] = 0.1 * (run + 1)
    values = np.stack([U, U + 1, U + 2])
    return Right(path, {"u": values}, TIME, runs=3, scalars={"viscosity": [0.1, 0.2, 0.1 * 3]})


@layout
def runs_in_groups_of_a_group(folder):
    with h5py.File(folder / "campaign.h5", "w") as file:
        for run in range(3):
            group = file.create_group(f"sims/{run:04d}")
            for name, values in {"p": P - run, "u": U + run, "t": TIME}.items():
                group[name] = values
            group.attrs["Re"] = 100.0 * (run + 1)
        file["grid/x"], file["grid/y"] = LISTS["x"], LISTS["y"]
    values = {"u": np.stack([U, U + 1, U + 2]), "p": np.stack([P, P - 1, P - 2])}
    return Right(folder / "campaign.h5", values, TIME, runs=3, scalars={"Re": [100.0, 200.0, 300.0]})


@layout
def a_mask_that_is_one_in_the_fluid(folder):
    mask = np.ones((X, Y), "i1")
    mask[2:4, 1:3] = 0
    solid = mask == 0
    arrays = {"u": np.where(solid, 0, U), "p": np.where(solid, 0, P), "mask": mask, **LISTS}
    return Right(write_hdf5(folder / "flow.h5", arrays), {"u": U, "p": P}, TIME, solid=solid)


@layout
def a_temperature_called_as_time_is(folder):
    return Right(write_hdf5(folder / "rb.h5", {"T": U, "w": P, **LISTS}), {"T": U, "w": P}, TIME)


@layout
def a_time_step_among_the_attributes(folder):
    path = write_hdf5(folder / "ns.h5", {"vorticity": U, **CELLS}, dt=0.25, nu=1e-3)
    with h5py.File(path, "r+") as file:
        file["vorticity"].dims[0].label = "time"
    return Right(path, {"vorticity": U}, TIME)


@layout
def states_of_two_runs_by_case_and_parameter(folder):
    for mach in (0.3, 0.8):
        for step in range(T):
            path = folder / f"Ma={mach:g}" / f"flow_{100 * step:06d}.h5"
            write_hdf5(path, {"rho": U[step] * mach, "E": P[step]}, physical_time=TIME[step])
    fields = {"rho": np.stack([U * 0.3, U * 0.8]), "E": np.stack([P, P])}
    return Right(folder, fields, TIME, runs=2, scalars={"Ma": [0.3, 0.8]})


@layout
def a_flat_list_of_cells_with_their_shape(folder):
    cells = {"x": np.repeat(CENTRES_X, Y), "y": np.tile(CENTRES_Y, X)}
    path = write_hdf5(folder / "flat.h5", {"u": U.reshape(T, -1), "t": TIME, **cells})
    return Right(path, refused="63 cells of a grid of 9 by 7 as a list")


@layout
def three_components_of_a_plane(folder):
    # 2.5D: three components of velocity on a plane, channel last.
    path = write_hdf5(folder / "flow.h5", {"vel": np.stack([U, V, P], axis=-1), **LISTS})
    return Right(path, {"vel_0": U, "vel_1": V, "vel_2": P}, TIME)


@layout
def frames_of_a_volume_without_names(folder):
    volume = np.stack([np.stack([U + level, P + level], axis=1) for level in range(5)], axis=-1)
    arrays = {"state": volume, "t": TIME, **CELLS, "z": np.arange(5.0)}
    return Right(
        write_hdf5(folder / "les.h5", arrays), {"state_0": volume[:, 0], "state_1": volume[:, 1]}, TIME
    )


@layout
def croco_with_faces_on_grids_of_their_own(folder):
    sea = np.ones((Y, X))
    sea[2:4, 3:6] = 0
    height = np.where(sea == 0, 0, U.swapaxes(1, 2))
    arrays = {
        "time": (("time",), TIME * 3600),
        "xi_rho": (("xi_rho",), CENTRES_X),
        "eta_rho": (("eta_rho",), CENTRES_Y),
        "mask_rho": (("eta_rho", "xi_rho"), sea),
        "zeta": (("time", "eta_rho", "xi_rho"), height),
        "ubar": (("time", "eta_rho", "xi_u"), P.swapaxes(1, 2)[..., 1:]),
    }
    path = write_netcdf(folder / "croco_his.nc", arrays, "NETCDF3_64BIT_DATA")
    return Right(path, {"zeta": height}, TIME * 3600, solid=sea == 0)


@layout
def wrf_with_dates_in_names_alone(folder):
    for step in range(T):
        arrays = {
            "T2": (("time", "south_north", "west_east"), U.swapaxes(1, 2)[step : step + 1]),
            "HGT": (("time", "south_north", "west_east"), P.swapaxes(1, 2)[:1]),
        }
        write_netcdf(folder / f"wrfout_d01_2020-01-31_{20 + step // 2:02d}:{30 * (step % 2):02d}:00", arrays)
    return Right(folder, {"T2": U.swapaxes(1, 2)}, np.arange(T) * 1800.0)


@layout
def shenfun_with_steps_that_differ(folder):
    steps = (0, 5, 10, 50, 100, 500)
    arrays = {f"u/2D/{step}": values for step, values in zip(steps, U, strict=True)}
    lists = {"u/mesh/x0": CENTRES_X, "u/mesh/x1": CENTRES_Y}
    return Right(write_hdf5(folder / "u.h5", arrays | lists), {"u": U}, np.array(steps, float))


@layout
def gkeyll_with_its_time_in_a_group_of_attributes(folder):
    for step in range(T):
        values = np.stack([each[step] for each in (U, V, P)], axis=-1)
        path = write_hdf5(folder / f"euler_q_{2 * step}.h5", {"StructGridField": values})
        with h5py.File(path, "r+") as file:
            file.create_group("timeData").attrs.update(vsTime=TIME[step], vsStep=10 * step)
    return Right(folder, {f"StructGridField_{number}": each for number, each in enumerate((U, V, P))}, TIME)


@layout
def zarr_of_half_precision_in_shards(folder):
    root = zarr.open_group(folder / "run.zarr", mode="w", zarr_format=3)
    values = U.astype("f2")
    array = root.create_array(
        "u", shape=U.shape, dtype="f2", chunks=(1, 3, Y), shards=(T, X, Y), dimension_names=("time", "x", "y")
    )
    array[:] = values
    for name, each in ({"time": TIME} | CELLS).items():
        root.create_array(name, data=each, dimension_names=(name,))
    return Right(folder / "run.zarr", {"u": values.astype("f4")}, TIME)


@layout
def bytes_that_are_unsigned_and_packed(folder):
    stored = np.rint(U * 90 + 110).astype("u1")
    with netCDF4.Dataset(folder / "radar.nc", "w") as file:
        for name, length in (("time", None), ("x", X), ("y", Y)):
            file.createDimension(name, length)
        for name, values in ({"time": TIME} | CELLS).items():
            file.createVariable(name, "f8", (name,))[:] = values
        array = file.createVariable("refl", "i1", ("time", "x", "y"))
        array.set_auto_maskandscale(False)
        array.setncatts({"_Unsigned": "true", "scale_factor": 0.5, "add_offset": -10.0})
        array[:] = stored.view("i1")
    with xarray.open_dataset(folder / "radar.nc", decode_times=False) as data:
        return Right(folder / "radar.nc", {"refl": data.refl.values}, TIME)


@layout
def fill_values_on_land(folder):
    land = np.zeros((Y, X), bool)
    land[0], land[3, 4:6] = True, True
    values = np.where(land, np.float32(1e20), U.swapaxes(1, 2)).astype("f4")
    with netCDF4.Dataset(folder / "grid_T.nc", "w") as file:
        for name, length in (("time_counter", None), ("y", Y), ("x", X)):
            file.createDimension(name, length)
        file.createVariable("time_counter", "f8", ("time_counter",))[:] = TIME
        array = file.createVariable("tos", "f4", ("time_counter", "y", "x"), fill_value=np.float32(1e20))
        array.set_auto_maskandscale(False)
        array[:] = values
    return Right(folder / "grid_T.nc", {"tos": values}, TIME, solid=land)


@layout
def tiles_of_mitgcm(folder):
    for number, cells in enumerate((slice(0, 4), slice(4, X))):
        arrays = {"Eta": (("time", "X", "Y"), U[:, cells]), "X": (("X",), CENTRES_X[cells])}
        path = write_netcdf(folder / f"state.0000000000.t{number + 1:03d}.nc", arrays)
        with netCDF4.Dataset(path, "a") as file:
            file.tile_number = number + 1
    return Right(folder, refused="tiles of one grid.*gluemncbig")


@layout
def solutions_of_trixi(folder):
    for step in range(3):
        arrays = {"variables_1": np.ones(256), "variables_2": np.ones(256)}
        attributes = {"mesh_file": "mesh.h5", "n_elements": 16, "time": TIME[step]}
        write_hdf5(folder / f"solution_{step:09d}.h5", arrays, **attributes)
    return Right(folder, refused="Trixi.*nodes of elements.*trixi2vtk")


@layout
def states_with_a_time_of_another_language_and_a_sum(folder):
    for step in range(T):
        arrays = {"T": (("y", "x"), U[step].T), "x": (("x",), CENTRES_X), "y": (("y",), CENTRES_Y)}
        path = write_netcdf(folder / "Re=100" / f"Ausgabe_{step}.nc", arrays)
        with netCDF4.Dataset(path, "a") as file:
            file.setncatts({"zeit": TIME[step], "masse": 3.5 + step, "Pr": 0.71})
    return Right(
        folder, {"T": U.swapaxes(1, 2)}, TIME, scalars={"Re": [100.0], "Pr": [0.71], "masse": [np.nan]}
    )


@layout
def pieces_that_hold_other_values_at_one_time(folder):
    for number, values in enumerate((U, P)):
        here = slice(2 * number, 2 * number + 4)
        lists = {"time": (("time",), TIME[here]), "x": (("x",), CENTRES_X), "y": (("y",), CENTRES_Y)}
        write_netcdf(folder / f"rst_{number:02d}.nc", {"u": (("time", "x", "y"), values[here]), **lists})
    return Right(folder, refused="u at t = 0.5 differs from rst_01.nc.*overlap")


def with_ghost_cells(values: np.ndarray, count: int) -> np.ndarray:
    """[T, X, Y] with so many cells around each plane that no neighbour has."""
    return np.pad(values, ((0, 0), (count, count), (count, count)), constant_values=-7.5)


def beyond(centres: np.ndarray, count: int) -> np.ndarray:
    """The centres of cells and of ghost cells."""
    return centres[0] + np.arange(-count, len(centres) + count) * (centres[1] - centres[0])


@layout
def ghost_cells_with_the_length_of_the_domain(folder):
    arrays = {"u": with_ghost_cells(U, 2), "t": TIME, "x": beyond(CENTRES_X, 2), "y": beyond(CENTRES_Y, 2)}
    path = write_hdf5(folder / "run.h5", arrays, nGhost=2, domain=[2.0, 1.0])
    return Right(path, {"u": U}, TIME)


@layout
def ghost_cells_with_numbers_of_cells_in_arrays(folder):
    arrays = {"fields/u": with_ghost_cells(U, 1), "fields/p": with_ghost_cells(P, 1), "time": TIME}
    path = write_hdf5(folder / "run.h5", {**arrays, "grid/guard_cells": 1, "grid/nx": X, "grid/ny": Y})
    return Right(path, {"u": U, "p": P}, TIME)


@layout
def ghost_cells_that_are_counted_and_not_stored(folder):
    path = write_hdf5(folder / "run.h5", {"u": U, **LISTS}, ng=2, Lx=2.0, Ly=1.0)
    return Right(path, {"u": U}, TIME)


@layout
def a_vector_and_a_pressure_in_folders_called_by_times(folder):
    for run, shift in (("coarse", 0), ("fine", 1)):
        for step in range(T):
            arrays = {
                "U": np.stack([U[step], V[step]], -1),
                "p": P[step] + shift,
                "xc": CENTRES_X,
                "yc": CENTRES_Y,
            }
            write_hdf5(folder / run / f"{TIME[step]:g}" / "fields.h5", arrays)
    velocity = np.stack([U, U])
    return Right(folder, {"U_x": velocity, "p": np.stack([P, P + 1])}, TIME, runs=2)


@layout
def openpmd_in_femtoseconds(folder):
    for step in range(T):
        with h5py.File(folder / f"sim_{10 * step:06d}.h5", "w") as file:
            file.attrs["openPMD"] = "1.1.0"
            state = file.create_group(f"data/{10 * step}")
            state.attrs.update(time=TIME[step], timeUnitSI=1e-15)
            state["meshes/rho"] = U[step]
            state["meshes/rho"].attrs.update(axisLabels=["x", "y"], unitSI=1.0)
    return Right(folder, {"rho": U}, TIME, unit="fs")


@layout
def files_called_by_the_folder_of_their_run(folder):
    for run, shift in (("alfa", 0), ("lauf2", 1)):
        for name, values in (("Temperatura", U), ("presion", P)):
            write_hdf5(folder / run / f"{name}_{run}.h5", {name: values + shift, **LISTS})
    fields = {"Temperatura": np.stack([U, U + 1]), "presion": np.stack([P, P + 1])}
    return Right(folder, fields, TIME, runs=2)


@layout
def netcdf_whose_first_dimension_says_nothing(folder):
    lists = {"saut": (("saut",), TIME), "y": (("y",), CENTRES_Y), "x": (("x",), CENTRES_X)}
    path = write_netcdf(folder / "run.nc", {"u": (("saut", "y", "x"), U.swapaxes(1, 2)), **lists})
    return Right(path, {"u": U.swapaxes(1, 2)}, TIME)


@layout
def netcdf_whose_time_is_known_by_its_unit(folder):
    lists = {"lead": (("lead",), TIME), "lat": (("lat",), CENTRES_Y), "lon": (("lon",), CENTRES_X)}
    path = write_netcdf(folder / "run.nc", {"u": (("lead", "lat", "lon"), U.swapaxes(1, 2)), **lists})
    with netCDF4.Dataset(path, "a") as file:
        file["lead"].units = "hours"
    return Right(path, {"u": U.swapaxes(1, 2)}, TIME, unit="hours")


@layout
def states_of_a_volume_whose_cells_an_attribute_states(folder):
    values = np.stack([U + level for level in range(5)], axis=-1)
    for step in range(T):
        write_hdf5(folder / f"{step}.h5", {"density": values[step]}, t=[TIME[step]], dims=[X, Y, 5])
    return Right(folder, {"density": values}, TIME)


@layout
def batches_with_the_channel_before_the_time(folder):
    values = np.stack([np.stack([U + run, P]) for run in range(4)])
    np.savez(folder / "batch.npz", solutions=values, mean=values[:, 0], **LISTS)
    # The second axis is not one of runs, because `mean` lacks it.
    fields = {"mean": values[:, 0], "solutions_x": values[:, 0], "solutions_y": values[:, 1]}
    return Right(folder / "batch.npz", fields, TIME, runs=4)


@layout
def parameters_in_files_next_to_each_run(folder):
    for run, nu in (("a", 0.02), ("b", 0.5)):
        for step in range(T):
            path = folder / run / "out" / f"u_{step:04d}.h5"
            write_hdf5(path, {"u": U[step] * nu}, time=TIME[step])
        (folder / run / "params.json").write_text(f'{{"fluid": {{"nu": {nu}, "name": "oil"}}, "n_cpu": 4}}')
    (folder / "setup.nml").write_text("&physics\n Ra = 1.5d6, note = 'Pr = 7' ! Fr = 2.5\n/\nEk = 3.5\n")
    (folder / "own.toml").write_text('source = "arrays"\ngamma = 1.4\n')
    scalars = {"nu": [0.02, 0.5], "Ra": [1.5e6] * 2, "Pr": [np.nan] * 2, "Ek": [np.nan] * 2}
    return Right(folder, {"u": np.stack([U * 0.02, U * 0.5])}, TIME, runs=2, scalars=scalars)


@layout
def a_file_of_parameters_for_each_of_several_runs(folder):
    for run in range(2):
        write_hdf5(folder / f"run_{run}.h5", {"u": U + run, **LISTS})
        (folder / f"run_{run}.json").write_text(f'{{"nu": 0.{run + 1}}}')
    return Right(folder, {"u": np.stack([U, U + 1])}, TIME, runs=2, scalars={"nu": [0.1, 0.2]})


@layout
def names_of_channels_and_parameters_in_lists_of_text(folder):
    values = np.stack([np.stack([U + run, P], axis=-1) for run in range(4)])
    parameters = np.arange(8.0).reshape(4, 2) + 0.5
    names = {"channels": np.array(["rho", "vx"]), "param_names": np.array(["nu", "Re"])}
    np.savez(folder / "runs.npz", states=values, params=parameters, **names, **LISTS)
    scalars = {"nu": [0.5, 2.5, 4.5, 6.5], "Re": [1.5, 3.5, 5.5, 7.5]}
    fields = {"rho": values[..., 0], "vx": values[..., 1]}
    return Right(folder / "runs.npz", fields, TIME, runs=4, scalars=scalars)


@layout
def names_of_channels_in_an_array_and_of_parameters_in_an_attribute(folder):
    values = np.stack([np.stack([U + run, V, P], axis=1) for run in range(2)])
    names = np.array(["height", "depth", "salt"], dtype=h5py.string_dtype())
    arrays = {"data": values, "field_names": names, "params": [[0.5, 8.25], [1.5, 4.25]]}
    path = write_hdf5(folder / "runs.h5", arrays | LISTS)
    with h5py.File(path, "r+") as file:
        file["params"].attrs["names"] = ["Fr", "seed"]
    fields = {"height": values[:, :, 0], "salt": values[:, :, 2]}
    return Right(path, fields, TIME, runs=2, scalars={"Fr": [0.5, 1.5]})
