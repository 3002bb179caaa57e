"""The acoustic sample built once in both packagings, in many small shards and with frames cut in chunks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import h5py
import numpy as np
import pytest

import ingest.building.plan
import shards.shard
from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.catalogue import find_recipe
from shards.read import Dataset
from tests.memory_folder import folder_in_memory

SOURCE = Path(__file__).parents[1] / "samples" / "well" / "acoustic_scattering_discontinuous"
NAME = "acoustic_scattering_discontinuous"
FRAME_BYTES = 3 * 64 * 48 * 4


@dataclass(frozen=True)
class Raw:
    """A trajectory as h5py reads it: frames [T, C, X, Y], constants [C, X, Y], times [T], coordinates."""

    frames: np.ndarray
    static: np.ndarray
    time: np.ndarray
    x: np.ndarray
    y: np.ndarray


def build_acoustic(
    root: Path, packaging: str, codec: str = "lz4", shard_frames: int = 5, pieces: int = 4
) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest.building.plan, "SHARD_BYTES", shard_frames * FRAME_BYTES)
        patch.setattr(shards.shard, "LARGEST_CHUNK", FRAME_BYTES // pieces)
        plan = plan_build(find_recipe(NAME), SOURCE / "data" / "valid", packaging, codec)
        return build(plan, root, Resources(1)).folder


@pytest.fixture(scope="session")
def built() -> Callable[..., Path]:
    return build_acoustic


@pytest.fixture
def tmp_path(tmp_path) -> Iterator[Path]:
    """In memory where there is a disk for it: thousands of small files, each of which a build waits for."""
    with folder_in_memory(otherwise=tmp_path) as place:
        yield place


@pytest.fixture(scope="session")
def pristine(tmp_path_factory) -> dict[str, Path]:
    """Packaging to folder; 2 trajectories of 24 frames in shards of 5, 5, 5, 5 and 4, 4 chunks per frame."""
    root = tmp_path_factory.mktemp("acoustic")
    return {packaging: build_acoustic(root / packaging, packaging) for packaging in ("zarr", "webdataset")}


@pytest.fixture(params=["zarr", "webdataset"])
def folder(request, pristine, tmp_path) -> Path:
    """A copy of the dataset, to be damaged."""
    return copytree(pristine[request.param], tmp_path / NAME)


@pytest.fixture
def dataset(folder) -> Dataset:
    return Dataset(folder)


@pytest.fixture(scope="session")
def raw() -> Callable[[int], Raw]:
    path = next((SOURCE / "data" / "valid").glob("*.hdf5"))

    def read(row: int) -> Raw:
        with h5py.File(path, "r") as file:
            scalar, vector = file["t0_fields/pressure"][row], file["t1_fields/velocity"][row]
            speed = file["t0_fields/speed_of_sound"][row]
            return Raw(
                np.stack([scalar, vector[..., 0], vector[..., 1]], axis=1),
                # The recipe asks for a density of zeros.
                np.stack([np.zeros_like(speed), speed]),
                file["dimensions/time"][()].astype("f8"),
                file["dimensions/x"][()].astype("f8"),
                file["dimensions/y"][()].astype("f8"),
            )

    return read
