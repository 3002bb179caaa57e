"""Pieces of one run whose times begin again in each file, under names of many kinds."""

import netCDF4
import numpy as np

from tests.ingest.layouts.writers import CELLS, Right, layout
from tests.ingest.solvers import write_hdf5

STEP = 0.25
TIMES = np.arange(13) * STEP
X, Y = CELLS["x"][:, None], CELLS["y"]


def wave(speed: float) -> np.ndarray:
    """A wave that goes on and fades [T, X, Y]; it never returns to where it began."""
    t = TIMES[:, None, None]
    return np.exp(-0.1 * t) * np.sin(2 * np.pi * (X - speed * t)) * np.cos(Y)


WAVE = wave(0.3)


@layout
def pieces_that_repeat_a_state(folder):
    for piece, first in enumerate((0, 4, 8)):
        frames = slice(first, first + 5)
        write_hdf5(folder / f"stage{piece + 1}.h5", {"u": WAVE[frames], "t": TIMES[:5], **CELLS})
    return Right(folder, {"u": WAVE}, TIMES)


@layout
def pieces_that_begin_after_a_step(folder):
    for run, speed in (("a", 0.3), ("b", 0.2)):
        for piece in range(3):
            values = wave(speed)[1 + 4 * piece : 5 + 4 * piece]
            write_hdf5(folder / f"{run}/leg_{piece:02d}.h5", {"rho": values, "time": TIMES[1:5], **CELLS})
    return Right(folder, {"rho": np.stack([wave(0.3), wave(0.2)])[:, 1:]}, TIMES[1:], runs=2)


@layout
def pieces_that_begin_at_zero_and_repeat_nothing(folder):
    for piece in range(3):
        values = WAVE[4 * piece : 4 + 4 * piece]
        write_hdf5(folder / f"part{piece}.h5", {"u": values, "t": TIMES[:4], **CELLS})
    return Right(folder, {"u": WAVE[:12]}, TIMES[:12])


@layout
def pieces_with_an_attribute_of_their_start(folder):
    for piece in range(3):
        values = WAVE[4 * piece : 5 + 4 * piece]
        arrays = {"u": values, "t": TIMES[:5], **CELLS}
        write_hdf5(folder / f"segment-{piece}.h5", arrays, t_start=4 * piece * STEP, segment=piece)
    return Right(folder, {"u": WAVE}, TIMES)


@layout
def pieces_of_variables_with_an_array_of_their_start(folder):
    for piece in range(3):
        for name, values in (("u", WAVE), ("v", wave(0.2))):
            own = values[4 * piece : 4 + 4 * piece]
            start = np.float64(4 * piece * STEP)
            write_hdf5(folder / f"{name}_{piece}.h5", {name: own, "t": TIMES[:4], "tstart": start, **CELLS})
    return Right(folder, {"velocity_x": WAVE[:12], "velocity_y": wave(0.2)[:12]}, TIMES[:12])


@layout
def netcdf_pieces_whose_times_have_an_offset(folder):
    folder.mkdir(exist_ok=True)
    for piece in range(3):
        with netCDF4.Dataset(folder / f"day{piece}.nc", "w") as file:
            for name, values in (("time", TIMES[:4]), ("x", CELLS["x"]), ("y", CELLS["y"])):
                file.createDimension(name, len(values))
                file.createVariable(name, "f8", (name,))[:] = values
            file["time"].offset = 4 * piece * STEP
            file.createVariable("q", "f8", ("time", "x", "y"))[:] = WAVE[4 * piece : 4 + 4 * piece]
    return Right(folder, {"q": WAVE[:12]}, TIMES[:12])


@layout
def runs_that_begin_alike_and_differ_later(folder):
    runs = [wave(speed) for speed in (0.1, 0.2, 0.3)]
    for number, values in enumerate(runs):
        write_hdf5(folder / f"out{number}.h5", {"u": values, "t": TIMES, **CELLS}, start=number)
    return Right(folder, {"u": np.stack(runs)}, TIMES, runs=3)
