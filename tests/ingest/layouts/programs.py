"""Files as programs wrote them that were run: pyro, veros, PyClaw, fluidsim, Dedalus."""

import h5py
import numpy as np

from tests.ingest.layouts.writers import Right, layout
from tests.ingest.solvers import TIME, T, U, X, Y, write_hdf5


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
