"""Files with ghost cells around their fields, and numbered states whose names say more."""

import h5py
import numpy as np

from tests.ingest.layouts.writers import LISTS, Right, layout
from tests.ingest.solvers import TIME, P, T, U, V, X, Y, write_hdf5


def padded(values: np.ndarray, *cells: tuple[int, int]) -> np.ndarray:
    """Values [..., x, y] with ghost cells below and above, which no field must hold."""
    none = [(0, 0)] * (values.ndim - len(cells))
    return np.pad(values, [*none, *cells], constant_values=1e6)


@layout
def opensbli_with_halos_of_a_dataset_and_a_step(folder):
    """OPS lists x first, which is stored last."""
    for step in range(T):
        path = folder / f"opensbli_output_{100 * (step + 1):06d}.h5"
        fields = {"rho_B0": U, "rhou0_B0": V}
        stored = {f"block00/{name}": padded(each[step], (5, 4), (3, 3)).T for name, each in fields.items()}
        write_hdf5(path, stored | {"dt": 0.0025, "iter": 100 * (step + 1)})
        with h5py.File(path, "r+") as file:
            for name in stored:
                file[name].attrs.update({"d_m": [-5, -3], "d_p": [4, 3], "size": [X, Y], "base": [0, 0]})
    return Right(folder, {"rho_B0": U, "rhou0_B0": V}, TIME + 0.25)


@layout
def lists_of_ghost_cells_and_of_cells_in_the_order_of_the_axes(folder):
    values = padded(U, (2, 2), (1, 1))
    return Right(
        write_hdf5(folder / "a.h5", {"u": values, "t": TIME}, nghost=[2, 1], cells=[X, Y]), {"u": U}, TIME
    )


@layout
def ghost_cells_of_each_axis_by_its_letter(folder):
    values = padded(U, (3, 3), (2, 2))
    path = write_hdf5(folder / "a.h5", {"u": values, "t": TIME}, nghost_x=3, nghost_y=2, nx=X, ny=Y)
    return Right(path, {"u": U}, TIME)


@layout
def counts_of_cells_and_halo_as_attributes(folder):
    path = write_hdf5(folder / "a.h5", {"u": padded(U, (3, 3), (1, 1)), "t": TIME}, Nx=X, Ny=Y, Hx=3, Hy=1)
    return Right(path, {"u": U}, TIME)


@layout
def a_halo_that_is_not_stored(folder):
    path = write_hdf5(folder / "a.h5", {"u": U, "t": TIME}, halo=[2, 2], size=[X, Y])
    return Right(path, {"u": U}, TIME)


@layout
def states_of_a_temperature_called_like_time(folder):
    for run, shift in (("Ra1e5_Pr0.7", 0.0), ("Ra3e6_Pr0.7", 1.0)):
        (folder / run).mkdir(parents=True)
        for step in range(T):
            arrays = {"T": U[step] + shift, "u": np.stack([V[step], P[step]])}
            np.savez(folder / run / f"field_{step}.npz", **arrays)
    return Right(folder, {"T": np.stack([U, U + 1])}, np.arange(T), runs=2, scalars={"Ra": [1e5, 3e6]})


@layout
def states_counted_in_steps_of_the_solver(folder):
    for step in range(T):
        lists = {name: each for name, each in LISTS.items() if name != "t"}
        write_hdf5(folder / f"Re100_t{10 * step:04d}.h5", {"u": U[step], **lists}, dt=0.025)
    return Right(folder, {"u": U}, TIME, scalars={"Re": [100.0]})
