"""Numbers with a sign, letters that elsewhere count runs, species in groups, tiles of a globe."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.ingest.layouts.writers import CELLS, LISTS, Right, layout
from tests.ingest.solvers import CENTRES_X, CENTRES_Y, TIME, P, T, U, V, X, Y, write_hdf5, write_netcdf

SIGNED = 4.0 * np.arange(T) - 8


@layout
def two_components_numbered_alike_in_an_npz(folder: Path) -> Right:
    # The letter v counts versions elsewhere; there are more than ten, so that u_10 is behind u_9.
    u, v = np.concatenate([U, U + 1]), np.concatenate([V, V + 1])
    states = {f"{name}_{k}": each[k] for name, each in (("u", u), ("v", v)) for k in range(2 * T)}
    np.savez(folder / "run.npz", dt=0.25, **states)
    return Right(folder / "run.npz", {"velocity_x": u, "velocity_y": v}, 0.25 * np.arange(2 * T))


@layout
def groups_of_states_before_and_behind_zero(folder: Path) -> Right:
    states = {f"iteration={SIGNED[k]:g}/rho": U[k] for k in range(T)}
    return Right(write_hdf5(folder / "run.h5", states | CELLS), {"rho": U}, SIGNED)


@layout
def files_of_states_before_and_behind_zero(folder: Path) -> Right:
    for k in range(T):
        write_hdf5(folder / f"out_{int(SIGNED[k]):+05d}.h5", {"rho": U[k], "p": P[k], **CELLS})
    return Right(folder, {"rho": U, "p": P}, SIGNED)


@layout
def cells_numbered_by_m_and_n(folder: Path) -> Right:
    # Delft3D: M is the longer side, and two axes have one value.
    names = ("time", "LSTSCI", "KMAXOUT_RESTR", "M", "N")
    arrays = {
        "time": (("time",), TIME),
        "S1": (("time", "M", "N"), U),
        "R1": (names, V[:, None, None]),
        "DPS0": (("M", "N"), np.ones((X, Y))),
    }
    return Right(write_netcdf(folder / "trim-run.nc", arrays), {"S1": U, "R1": V}, TIME)


@layout
def fields_along_the_tiles_of_a_globe(folder: Path) -> Right:
    arrays = {
        "time": (("time",), TIME),
        "SSH": (("time", "tile", "j", "i"), np.ones((T, 13, 5, 5))),
    }
    path = write_netcdf(folder / "ecco.nc", arrays)
    return Right(path, refused="SSH is along 13 tiles of a globe; expected one grid")


@layout
def states_that_call_their_time_that_of_a_diagnostic(folder: Path) -> Right:
    # GYSELA: the number counts outputs, and deltat is the step of the solver.
    for k in range(T):
        numbers = {"time_diag": TIME[k : k + 1], "diag_num": np.array([k]), "deltat": np.array([0.01])}
        write_hdf5(folder / f"Phi2D_d{k:05d}.h5", {"Phirth": U[k], **numbers})
    return Right(folder, {"Phirth": U}, TIME)


@layout
def species_in_groups_of_each_state(folder: Path) -> Right:
    for k in range(T):
        arrays = {"electrons/n": U[k], "electrons/T": P[k], "ions/n": V[k], "ions/T": P[k] + 1}
        write_hdf5(folder / f"out_{k:04d}.h5", arrays, time=TIME[k])
    return Right(folder, {"n": U, "T": P, "ions_n": V, "ions_T": P + 1}, TIME)


@layout
def variables_next_to_a_mean_with_times_of_its_own(folder: Path) -> Right:
    # ClimaAtmos: a file per variable; the daily mean comes first in the alphabet and has one time.
    lists = {"x": (("x",), CENTRES_X), "y": (("y",), CENTRES_Y)}
    for name, values in (("ta", U), ("wa", V)):
        arrays = {name: (("time", "x", "y"), values), "time": (("time",), TIME), **lists}
        write_netcdf(folder / f"{name}_1h_inst.nc", arrays)
    mean = {"pr": (("time", "x", "y"), P[:1]), "time": (("time",), np.array([86400.0])), **lists}
    write_netcdf(folder / "pr_1d_average.nc", mean)
    return Right(folder, {"ta": U, "wa": V}, TIME)


@layout
def complex_numbers_as_records(folder: Path) -> Right:
    values = np.zeros((T, X, Y), [("real", "f8"), ("imaginary", "f8")])
    path = write_hdf5(folder / "field.h5", {"phi": values, "t": LISTS["t"]})
    return Right(path, refused="phi holds complex numbers as records of a real and an imaginary part")


@layout
def parameters_with_a_sign_in_some_names(folder: Path) -> Right:
    for run, beta in enumerate((-0.5, 0.25)):
        write_hdf5(folder / f"beta{beta:g}_nu1e-03.h5", {"u": U + run, **LISTS})
    scalars = {"beta": [-0.5, 0.25], "nu": [1e-3, 1e-3]}
    return Right(folder, {"u": np.stack([U, U + 1])}, TIME, runs=2, scalars=scalars)


@layout
def states_of_a_temperature_in_groups_called_by_times(folder: Path) -> Right:
    groups = {f"t={TIME[step]:g}/T": U[step] for step in range(T)}
    groups |= {f"t={TIME[step]:g}/C": V[step] for step in range(T)}
    return Right(write_hdf5(folder / "run.h5", groups), {"T": U, "C": V}, TIME)


@layout
def meshgrids_of_a_plane_in_a_volume_of_one_cell(folder: Path) -> Right:
    x, y, z = np.meshgrid(CENTRES_X, CENTRES_Y, [0.5], indexing="ij")
    for step in range(T):
        state = {"Ux": U[step], "Uy": V[step], "Uz": P[step]}
        arrays = {name: values[..., None] for name, values in state.items()} | {"X": x, "Y": y, "Z": z}
        write_hdf5(folder / f"flow{step:04d}.h5", arrays, time=TIME[step])
    return Right(folder, {"velocity_x": U, "velocity_y": V, "Uz": P}, TIME)
