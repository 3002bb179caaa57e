"""Sample data of the repository, and shards built from it once a session."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import run
from threading import Thread

import pytest
from hypothesis import settings

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.catalogue import find_recipe

# netCDF4, once imported, offers its filters to h5py:
# whether one is missing would depend on the order of tests.
os.environ.setdefault("HDF5_PLUGIN_PATH", os.devnull)
# Tests on random examples draw the same ones each time, so that a change is judged by what it changed.
# `--hypothesis-profile search` looks for faults with many others.
settings.register_profile("same", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("search", deadline=None, max_examples=5000)
settings.load_profile("same")
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


@pytest.fixture(params=["full", "read-only", "without permission", "a file in the way"])
def spoil(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], Path]]:
    """Makes a small disk one on which nothing can be written, and gives a path there that is free."""
    kind = request.param

    def spoiled(disk: Path) -> Path:
        if kind == "full":
            with pytest.raises(OSError, match="No space left"):
                (disk / "filler").write_bytes(bytes(2 * 10**6))
        elif kind == "read-only":
            run(["mount", "-o", "remount,ro", disk], check=True)
        elif kind == "without permission":
            for folder in (disk, *(path for path in disk.rglob("*") if path.is_dir())):
                folder.chmod(0o555)
        else:
            (disk / "out").touch()
        return disk / "out"

    with without_root_powers() if kind == "without permission" else nullcontext():
        yield spoiled


@contextmanager
def without_root_powers() -> Iterator[None]:
    """Root is refused as anybody is: no DAC_OVERRIDE, DAC_READ_SEARCH and FOWNER of capabilities(7)."""
    # Version 3 of the structure, for this thread; two words each of effective, permitted and inheritable.
    libc, header, powers = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, powers)
    before = powers[0]
    powers[0] = before & ~0b1110
    libc.capset(header, powers)
    yield
    powers[0] = before
    libc.capset(header, powers)


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
