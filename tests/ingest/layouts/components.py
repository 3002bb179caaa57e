"""Vectors and tensors by the names of their components, and lists of the edges of cells."""

import numpy as np
import xarray

from tests.ingest.layouts.writers import LISTS, Right, layout
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, P, T, U, V, X, Y, write_hdf5


@layout
def components_of_a_tensor_next_to_a_vector(folder):
    arrays = {"tau_xx": U, "tau_xy": V, "tau_yy": P, "ux": U + 1, "uy": U + 2}
    right = {"tau_xx": U, "tau_xy": V, "tau_yx": V, "tau_yy": P, "velocity_x": U + 1, "velocity_y": U + 2}
    return Right(write_hdf5(folder / "run.h5", arrays | LISTS), right, TIME)


@layout
def components_of_a_tensor_of_which_one_is_absent(folder):
    write_hdf5(folder / "run.h5", {"Qxx": U, "Qxy": V} | LISTS)
    return Right(folder, {"Qxx": U, "Qxy": V}, TIME)


@layout
def channels_called_by_directions(folder):
    values = np.stack([U, V], -1).swapaxes(1, 2)
    cells = {"time": TIME, "x": CENTRES_X, "y": CENTRES_Y, "component": ["x", "y"]}
    xarray.Dataset({"vel": (("time", "y", "x", "component"), values)}, cells).to_netcdf(folder / "run.nc")
    return Right(folder, {"velocity_x": U.swapaxes(1, 2), "velocity_y": V.swapaxes(1, 2)}, TIME)


@layout
def edges_of_cells_called_as_positions(folder):
    edges = {"t": TIME, "x": np.linspace(0, 2, X + 1), "y": np.linspace(0, 1, Y + 1)}
    return Right(write_hdf5(folder / "run.h5", {"rho": U, "p": P} | edges), {"rho": U, "p": P}, TIME)


@layout
def velocities_on_faces_next_to_meshgrids_of_the_cells(folder):
    # Nothing but the meshgrids says that y is stored first.
    x, y = np.meshgrid(CENTRES_X, CENTRES_Y)
    u = np.concatenate([U, U[:, -1:] + 1], axis=1).swapaxes(1, 2)
    v = np.concatenate([V, V[:, :, -1:] + 1], axis=2).swapaxes(1, 2)
    arrays = {"p": P.swapaxes(1, 2), "u": u, "v": v, "X": x, "Y": y, "t": TIME}
    means = {"velocity_x": (u[:, :, 1:] + u[:, :, :-1]) / 2, "velocity_y": (v[:, 1:] + v[:, :-1]) / 2}
    return Right(write_hdf5(folder / "run.h5", arrays), {"p": P.swapaxes(1, 2), **means}, TIME)


@layout
def vectors_of_a_volume_next_to_a_scalar_without_names(folder):
    # Components in the first axis of B show that all axes of rho are those of space.
    t, x, y, z = np.meshgrid(TIME, np.arange(8.0), np.arange(6.0), np.arange(5.0), indexing="ij")
    rho = np.sin(x - t) * y + z * z
    for k in range(T):
        state = {"B": np.stack([rho[k], 2 * rho[k], 3 * rho[k]]), "rho": rho[k], "time": TIME[k]}
        np.savez(folder / f"s_{k:03d}.npz", **state)
    return Right(folder, {"rho": rho, "magnetic_field_y": 2 * rho}, TIME)
