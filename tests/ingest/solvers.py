"""Files as solvers write them: u, v, p of `field(1..3)` on 9 x 7 cells, 6 frames 0.25 apart."""

from pathlib import Path

import h5py
import netCDF4
import numpy as np
import zarr

T, X, Y = 6, 9, 7
TIME = np.arange(T) * 0.25
CENTRES_X, CENTRES_Y = (np.arange(X) + 0.5) * 2 / X, (np.arange(Y) + 0.5) / Y


def field(speed: float) -> np.ndarray:
    """[T, X, Y] of a wave that runs along x."""
    t, x, y = np.meshgrid(TIME, CENTRES_X, CENTRES_Y, indexing="ij")
    return np.sin(np.pi * (x - speed * t)) * np.cos(np.pi * y) + 0.01 * speed * y


U, V, P = field(1), field(2), field(3)


def write_hdf5(path: Path, arrays: dict[str, object], **attributes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
        file.attrs.update(attributes)
    return path


def write_netcdf(
    path: Path, arrays: dict[str, tuple[tuple[str, ...], np.ndarray]], kind: str = "NETCDF4"
) -> Path:
    """Variables with the names of their dimensions; `time` is unlimited."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(path, "w", format=kind) as file:
        for names, values in arrays.values():
            for name, length in zip(names, np.shape(values), strict=True):
                if name not in file.dimensions:
                    file.createDimension(name, None if name == "time" else length)
        for name, (names, values) in arrays.items():
            file.createVariable(name, np.asarray(values).dtype, names)[:] = values
    return path


def state_files(folder: Path, frames: range = range(T)) -> Path:
    """As pyro, Cholla, GAMER and fluidsim: a state per file, its time an attribute of the file."""
    for k in frames:
        arrays = {"state/density": 2 + U[k], "state/x-momentum": V[k], "state/y-momentum": P[k]}
        write_hdf5(folder / f"out_{10 * k:04d}.h5", arrays, time=TIME[k], gamma=1.4)
    return folder


def history_files(folder: Path) -> Path:
    """As WRF, CM1, ROMS and MOM: a state per file, with a time axis of length 1, axes as (time, y, x)."""
    for k in range(T):
        state = {name: (("time", "yh", "xh"), values[k].T[None]) for name, values in (("th", U), ("qv", V))}
        cells = {"xh": (("xh",), CENTRES_X), "yh": (("yh",), CENTRES_Y), "time": (("time",), TIME[k : k + 1])}
        write_netcdf(folder / f"out_{k + 1:06d}.nc", state | cells)
    return folder


def restart_pieces(folder: Path, cuts: tuple[tuple[int, int], ...] = ((0, 4), (2, 6))) -> Path:
    """As ROMS and Dedalus: pieces of a run; by default the second one repeats two frames of the first."""
    for number, (first, last) in enumerate(cuts):
        arrays = {"u": (("time", "x", "y"), U[first:last]), "time": (("time",), TIME[first:last])}
        write_netcdf(folder / f"basin_his_{number + 1:04d}.nc", arrays)
    return folder


def variable_files(folder: Path) -> Path:
    """As CMIP and OSIRIS: a variable per file, each with the times and cells."""
    cells = {"time": (("time",), TIME), "x": (("x",), CENTRES_X), "y": (("y",), CENTRES_Y)}
    for name, values in (("u", U), ("v", V), ("p", P)):
        write_netcdf(folder / f"{name}.nc", {name: (("time", "x", "y"), values), **cells})
    return folder


def group_per_step(path: Path) -> Path:
    """A group per step, its time an attribute, the components of a vector last."""
    arrays: dict[str, object] = {}
    for k in range(T):
        arrays[f"step_{k}/rho"] = U[k]
        arrays[f"step_{k}/vel"] = np.stack([V[k], P[k]], -1)
    write_hdf5(path, arrays)
    with h5py.File(path, "r+") as file:
        for k in range(T):
            file[f"step_{k}"].attrs["time"] = TIME[k]
    return path


def slices(path: Path) -> Path:
    """As the Pencil Code: `N/data` and `N/time`."""
    arrays: dict[str, object] = {"last": [T]}
    for k in range(T):
        arrays |= {f"{k + 1}/data": U[k], f"{k + 1}/time": TIME[k]}
    return write_hdf5(path, arrays)


def steps_below_fields(path: Path) -> Path:
    """As Oceananigans: `timeseries/b/N` with three ghost cells on each side, axes reversed."""
    arrays: dict[str, object] = {}
    for k in range(T):
        arrays[f"timeseries/b/{50 * k}"] = np.pad(U[k].T, 3, constant_values=-7)
        arrays[f"timeseries/t/{50 * k}"] = TIME[k]
    return write_hdf5(path, arrays)


def openpmd(path: Path) -> Path:
    """openPMD, iterations as groups: `data/N/meshes/...`, the time an attribute of the iteration."""
    arrays: dict[str, object] = {}
    for k in range(T):
        arrays |= {f"data/{100 * k}/meshes/E/x": U[k], f"data/{100 * k}/meshes/E/y": V[k]}
        arrays[f"data/{100 * k}/meshes/rho"] = P[k]
    write_hdf5(path, arrays)
    with h5py.File(path, "r+") as file:
        for k in range(T):
            file[f"data/{100 * k}"].attrs["time"] = TIME[k]
    return path


def array_per_step(folder: Path) -> Path:
    group = zarr.open_group(folder, mode="w")
    for k in range(T):
        group.create_array(f"u_{5 * k}", data=U[k])
    return folder


def solid_cells() -> np.ndarray:
    """[X, Y] of an obstacle of two by two cells."""
    solid = np.zeros((X, Y), bool)
    solid[3:5, 2:4] = True
    return solid


def land(path: Path) -> Path:
    """As ocean models: not-a-number on land, a mask of it, and one that moves by a cell."""
    solid = solid_cells()
    moving = np.stack([np.roll(solid, k, axis=0) for k in range(T)])
    arrays = {"u": np.where(solid, np.nan, U), "solid": solid.astype("u1"), "moving": moving.astype("u1")}
    return write_hdf5(path, arrays | {"time": TIME[:, None]})


def still(path: Path) -> Path:
    """As WRF repeats HGT: a constant field with an axis of time, and a component that rests."""
    return write_hdf5(path, {"u": U, "orog": np.tile(P[0], (T, 1, 1)), "w": np.zeros_like(U), "time": TIME})


def linspace_ends(path: Path) -> Path:
    """The last cells along x are the first ones again."""
    return write_hdf5(path, {"u": np.concatenate([U, U[:, :1]], axis=1), "time": TIME})
