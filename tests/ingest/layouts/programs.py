"""Files as programs wrote them that were run: pyro, veros, PyClaw, fluidsim, Dedalus."""

import h5py
import numpy as np

from tests.ingest.layouts.writers import CELLS, Right, layout
from tests.ingest.solvers import TIME, T, U, X, Y, write_hdf5, write_netcdf

LEVELS = 4


def pyro_states(folder, fields, **particles):
    """A file per state: the fields, the grid as attributes, and particles."""
    for step in range(T):
        arrays = {f"state/{name}/data": values[step] for name, values in fields.items()}
        path = write_hdf5(folder / f"smooth_{10 * step:04d}.h5", arrays | particles, time=TIME[step])
        with h5py.File(path, "r+") as file:
            file.create_group("grid").attrs.update(nx=X, ny=Y, ng=4, xmin=0.0, xmax=2.0, ymin=0.0, ymax=1.0)
    return folder


@layout
def one_field_of_pyro_next_to_particles(folder):
    positions = {f"particles/{name}_positions": np.ones((100, 2)) for name in ("particle", "init_particle")}
    return Right(pyro_states(folder, {"density": U}, **positions), {"density": U}, TIME)


@layout
def a_field_next_to_probes_at_their_positions(folder):
    values = np.ones((T, 12))
    probes = {"p": values, "q": values, "sensors": np.ones((12, 2))}
    path = write_hdf5(folder / "run.h5", {"u": U, "t": TIME, **probes})
    return Right(path, {"u": U}, TIME)


def at_upper_faces(values, axis):
    """Means of each upper face and of the one before, which is zero for the first."""
    pad = [(1, 0) if number == axis else (0, 0) for number in range(values.ndim)]
    faces = np.pad(values, pad)
    return (np.delete(faces, 0, axis) + np.delete(faces, -1, axis)) / 2


@layout
def velocities_of_veros_on_upper_faces_between_walls_and_land(folder):
    land = np.zeros((LEVELS, Y, X), bool)
    land[:2, 2:5, 3:6] = True
    volume = np.stack([U.swapaxes(1, 2) + level for level in range(LEVELS)], axis=1)
    wanted, arrays = {}, {"temp": (("Time", "zt", "yt", "xt"), np.where(land, np.nan, volume))}
    for axis, (name, faces) in enumerate((("w", "zw"), ("v", "yu"), ("u", "xu"))):
        # A face of land has no value; the last face of the box is a wall.
        beyond = np.moveaxis(np.zeros_like(land), axis, 0)
        beyond[:-1] = np.moveaxis(land, axis, 0)[1:]
        of_land = land | np.moveaxis(beyond, 0, axis)
        flow = np.where(of_land, 0, volume + axis)
        np.moveaxis(flow, axis + 1, 0)[-1] = 0
        arrays[name] = (
            tuple(faces if word[0] == faces[0] else word for word in ("Time", "zt", "yt", "xt")),
            np.where(of_land, np.nan, flow),
        )
        wanted[f"velocity_{'zyx'[axis]}t"] = np.where(land, 0, at_upper_faces(flow, axis + 1))
    arrays["tke"] = (("Time", "zw", "yt", "xt"), volume)
    lists = {"zt": np.arange(LEVELS) - 3.5, "yt": CELLS["y"], "xt": CELLS["x"], "Time": TIME}
    lists |= {"zw": lists["zt"] + 0.5, "yu": lists["yt"] + 0.5 / Y, "xu": lists["xt"] + 1 / X}
    path = write_netcdf(
        folder / "acc.snapshot.nc", arrays | {name: ((name,), values) for name, values in lists.items()}
    )
    fields = wanted | {"temp": np.where(land, np.nan, volume)}
    return Right(path, fields, TIME, solid=land)


@layout
def outputs_of_veros_of_which_one_holds_most_fields(folder):
    grid, lists = ("Time", "yt", "xt"), {"Time": TIME, "yt": CELLS["y"], "xt": CELLS["x"]}
    lists = {name: ((name,), values) for name, values in lists.items()}
    values = U.swapaxes(1, 2)
    snapshot = {name: (grid, values + number) for number, name in enumerate(("temp", "salt", "rho", "tke"))}
    averages = {name: (grid, values - 1) for name in ("temp", "psi", "forcing")}
    write_netcdf(folder / "acc.averages.nc", averages | lists)
    write_netcdf(folder / "acc.energy.nc", {"k_m": (("Time",), TIME), "Time": lists["Time"]})
    write_netcdf(folder / "acc.snapshot.nc", snapshot | lists)
    return Right(folder, {"temp": values, "tke": values + 3}, TIME)


@layout
def pieces_of_dedalus_that_repeat_the_name_of_their_folder(folder):
    for number in (100, 2000):
        for piece, frames in enumerate((slice(0, 4), slice(4, T))):
            arrays = {"tasks/b": U[frames] + number, "scales/sim_time": TIME[frames]}
            write_hdf5(folder / f"snapshots_Ra{number}" / f"snapshots_Ra{number}_s{piece + 1}.h5", arrays)
    return Right(folder, {"b": np.stack([U + 100, U + 2000])}, TIME, runs=2, scalars={"Ra": [100, 2000]})
