"""The Acoustic sample, its fields by h5py, and shards of a second system."""

from pathlib import Path

import h5py
import numpy as np
import pytest

ACOUSTICS = "acoustic_scattering_discontinuous"


@pytest.fixture(scope="session")
def acoustics(root) -> Path:
    return root / ACOUSTICS


@pytest.fixture(scope="session")
def shear(root) -> Path:
    return root / "shear_flow"


@pytest.fixture(scope="session")
def fields_of(samples):
    """The physical fields [T, C, X, Y] of a training trajectory of the Acoustic sample, by h5py."""

    def read(row: int) -> np.ndarray:
        (path,) = (samples / "well" / ACOUSTICS / "data" / "train").glob("*.hdf5")
        with h5py.File(path) as file:
            pressure, velocity = file["t0_fields/pressure"][row], file["t1_fields/velocity"][row]
        return np.stack([pressure, velocity[..., 0], velocity[..., 1]], axis=1)

    return read
