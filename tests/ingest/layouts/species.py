"""Fields with an axis of species in front, next to fields that lack it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray

from tests.ingest.layouts.writers import LISTS, Right, layout
from tests.ingest.solvers import P, U, V, write_hdf5

SPECIES = np.stack([U, V, U + V])
NAMES = ("fuel", "air", "soot")
FIELDS = {
    **{name: np.stack([each] * 2) for name, each in zip(NAMES, SPECIES, strict=True)},
    "T": np.stack([P] * 2),
}
LACKING = {"T": P, "vel": np.stack([U, V], axis=-1)}


@layout
def species_before_the_time_with_their_names_in_an_array(folder: Path) -> Right:
    for run in ("a", "b"):
        names = {"species": np.array(NAMES, dtype="S4")}
        write_hdf5(folder / f"{run}.h5", {"Y": SPECIES, **LACKING, **names, **LISTS})
    velocity = {"velocity_x": np.stack([U] * 2), "velocity_y": np.stack([V] * 2)}
    return Right(folder, FIELDS | velocity, LISTS["t"], runs=2)


@layout
def species_before_the_time_without_names(folder: Path) -> Right:
    np.savez(folder / "flame.npz", Y=SPECIES, **LACKING, **LISTS)
    unnamed = {f"Y_{number}": each for number, each in enumerate(SPECIES)}
    return Right(folder / "flame.npz", {"T": P, "velocity_x": U, **unnamed}, LISTS["t"])


@layout
def many_species_behind_the_time(folder: Path) -> Right:
    many = np.stack([U + number for number in range(12)], axis=1)
    np.savez(folder / "flame.npz", Y=many, T=P, **LISTS)
    return Right(folder / "flame.npz", {"T": P, "Y_11": U + 11}, LISTS["t"])


@layout
def species_as_a_named_dimension(folder: Path) -> Right:
    data = xarray.Dataset(
        {"Y": (("species", "time", "x", "y"), SPECIES), "T": (("time", "x", "y"), P)},
        coords={"species": list(NAMES), "time": LISTS["t"], "x": LISTS["x"], "y": LISTS["y"]},
    )
    data.to_netcdf(folder / "flame.nc")
    return Right(folder / "flame.nc", {name: values[0] for name, values in FIELDS.items()}, LISTS["t"])
