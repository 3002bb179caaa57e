"""Sample data of the repository, and shards built from it once a session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import run
from threading import Thread

import pytest

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.recipe import find_recipe

# netCDF4, once imported, offers its filters to h5py:
# whether one is missing would depend on the order of tests.
os.environ.setdefault("HDF5_PLUGIN_PATH", os.devnull)
SAMPLES = Path(__file__).parent / "samples"
SYSTEMS = {
    "shear_flow": "well/shear_flow",
    "acoustic_scattering_discontinuous": "well/acoustic_scattering_discontinuous",
    "MHD_64": "well/MHD_64",
    "pdearena_conditioned_ins": "pdearena",
}


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: a third of the time a test waits for another process."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def samples() -> Path:
    return SAMPLES


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of four sample systems: 2D periodic, 2D with walls and constant fields, 3D, 2D float64."""
    folder = tmp_path_factory.mktemp("root")
    for name, path in SYSTEMS.items():
        build(plan_build(find_recipe(name), SAMPLES / path, "zarr", "lz4"), folder, Resources(1))
    return folder


@pytest.fixture
def full_disk(tmp_path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield place
    run(["umount", "-l", str(place)], check=True)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def served() -> Iterator[Callable[[Path], str]]:
    """Serves a folder by HTTP, and gives its URL."""
    with ExitStack() as servers:

        def serve(folder: Path) -> str:
            handler = partial(_Quiet, directory=str(folder))
            server = servers.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
            servers.callback(server.shutdown)
            return f"http://127.0.0.1:{server.server_port}"

        yield serve
