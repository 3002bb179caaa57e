"""A small system of our own in The Well's layout, its recipe, and the command as a user meets it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

import ingest.remote.attempts
from ingest.cli import app
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SourceError
from shards.read import Dataset
from tests.ingest.web_server import Shelf, web_server
from tests.memory_folder import folder_in_memory

SAMPLES = Path(__file__).parents[1] / "samples"
X, Y = 6, 4
RECIPE = """
name = "waves"
source = "well"
title = "Waves on 6 x 4 cells, periodic in x, between walls in y"
axes = ["x", "y"]
[[fields]]
name = "height"
[[fields]]
name = "flow"
rank = 1
[[fields]]
name = "depth"
constant = true
"""


def analytic(rows: int, frames: int, phase: float = 0.0) -> np.ndarray:
    """[B, T, X, Y]: a wave of its own amplitude for each row, travelling along x, with a node in y."""
    b, t, x, y = np.meshgrid(np.arange(rows), np.arange(frames), np.arange(X), np.arange(Y), indexing="ij")
    return (b + 1) * np.sin(2 * np.pi * x / X - 0.7 * t + phase) * np.cos(0.5 * y) + 0.1 * y


@dataclass(frozen=True)
class Waves:
    """Where the files lie, and a recipe for them."""

    source: Path
    recipe: Path

    def write(self, name: str = "train/one", rows: int = 3, frames: int = 5, **change: np.ndarray) -> Path:
        """A file; `change` replaces height [B, T, X, Y], flow [B, T, X, Y, 2], depth [B, X, Y], time, x
        or y.
        """
        values = {
            "height": analytic(rows, frames).astype("f4"),
            "flow": np.stack(
                [analytic(rows, frames, 1.0), 0.1 * analytic(rows, frames, 2.0)], axis=-1
            ).astype("f4"),
            "depth": (2.0 + analytic(rows, 1)[:, 0]).astype("f4"),
            "time": np.arange(frames) * 0.5,
            "x": np.arange(X) + 0.5,
            "y": np.arange(Y) * 2.0,
        } | change
        path = self.source / f"{name}.hdf5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            _fill(file, values)
            # Files of equal values are not the same file twice.
            file.attrs["written_as"] = name
        return path

    def spoil(self, path: Path) -> None:
        """Compresses the heights, then spoils the compressed bytes: the header stays good."""
        with h5py.File(path, "r+") as file:
            values, attributes = file["t0_fields/height"][()], dict(file["t0_fields/height"].attrs)
            del file["t0_fields/height"]
            dataset = file["t0_fields"].create_dataset(
                "height", data=values, compression="gzip", chunks=values.shape
            )
            dataset.attrs.update(attributes)
            place = dataset.id.get_chunk_info(0)
        content = bytearray(path.read_bytes())
        content[place.byte_offset : place.byte_offset + place.size] = bytes(place.size)
        path.write_bytes(content)


def _fill(file: h5py.File, values: dict[str, np.ndarray]) -> None:
    file.attrs["n_trajectories"], file.attrs["grid_type"] = len(values["height"]), "cartesian"
    dimensions = file.create_group("dimensions")
    dimensions.attrs["spatial_dims"] = ["x", "y"]
    for name in ("time", "x", "y"):
        dimensions[name] = values[name]
    for name, rank, varies in (("height", 0, True), ("depth", 0, False), ("flow", 1, True)):
        dataset = file.require_group(f"t{rank}_fields").create_dataset(name, data=values[name])
        dataset.attrs["sample_varying"], dataset.attrs["time_varying"] = True, varies
        dataset.attrs["dim_varying"] = [True, True]
    file["t0_fields"].attrs["field_names"] = ["height", "depth"]
    file["t1_fields"].attrs["field_names"] = ["flow"]
    scalars = file.create_group("scalars")
    scalars.attrs["field_names"] = ["slope"]
    scalars["slope"] = 0.25
    for axis, length, kind in (("x", X, "PERIODIC"), ("y", Y, "WALL")):
        group = file.require_group("boundary_conditions").create_group(axis)
        group.attrs["bc_type"], group.attrs["associated_dims"] = kind, [axis]
        group["mask"] = [True] + [False] * (length - 2) + [True]


@pytest.fixture
def tmp_path(tmp_path) -> Iterator[Path]:
    """In memory where there is a disk for it: thousands of small files, each of which a build waits for."""
    with folder_in_memory(otherwise=tmp_path) as place:
        yield place


@pytest.fixture
def shelf(monkeypatch) -> Iterator[Shelf]:
    """A web server that can be told to misbehave, and its files; those who ask again wait but little."""
    monkeypatch.setattr(ingest.remote.attempts, "WAITS", (0.01, 0.01))
    for name in ("HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with web_server() as shelf:
        yield shelf


@pytest.fixture
def waves(tmp_path) -> Waves:
    recipe = tmp_path / "waves.toml"
    recipe.write_text(RECIPE)
    return Waves(tmp_path / "source", recipe)


@pytest.fixture
def good(waves) -> Waves:
    """Four files: two for training, one each to validate and to test; nine trajectories."""
    waves.write("train/one", rows=3)
    waves.write("train/two", rows=2, frames=7)
    waves.write("valid/one", rows=2)
    waves.write("test/one", rows=2)
    return waves


@pytest.fixture
def command() -> Callable[..., Result]:
    """walrus-ingest in this process; a traceback fails the test."""

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)

    return call


@pytest.fixture
def build(command, waves, tmp_path) -> Callable[..., Result]:
    """walrus-ingest build of the waves; options as further arguments."""

    def call(*options: object, start: Path = waves.source, root: Path = tmp_path / "root") -> Result:
        one = () if "--workers" in options else ("--workers", 1)
        return command("build", waves.recipe, "--from", start, "--to", root, *one, *options)

    return call


@pytest.fixture(scope="session")
def physical() -> Callable[[Path, str, int], np.ndarray]:
    """Frames [T, C, X, Y] of a trajectory of a split, in physical units."""

    def read(folder: Path, split: str, number: int) -> np.ndarray:
        dataset = Dataset(folder)
        entry, schema = dataset.entries(split)[number], dataset.card.schema
        out = np.empty((entry.frames, *schema.frame_shape), schema.dtype)
        dataset.read_frames(entry, range(entry.frames), out)
        return out * np.array(dataset.document(entry).scale, schema.dtype).reshape(-1, 1, 1)

    return read


@pytest.fixture(scope="session")
def tree() -> Callable[[Path], dict[str, bytes]]:
    """Path below a folder to content, of all files."""

    def read(folder: Path) -> dict[str, bytes]:
        return {
            p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
        }

    return read


STRIKE = Path(__file__).parent / "strike"
# First, so that no other sitecustomize is found.
STRIKE_PATH = os.pathsep.join([str(STRIKE), *filter(None, [os.environ.get("PYTHONPATH")])])
NEVER = 0


@dataclass(frozen=True)
class Struck:
    """How a command ended that was struck: its session, exit code or minus the signal, streams, a letter a
    moment.
    """

    session: int
    code: int
    out: str
    err: str
    moments: str


@pytest.fixture(scope="session")
def strike_server() -> Iterator[subprocess.Popen]:
    """A process that runs commands in forks of itself; `strike/` says how."""
    command = [sys.executable, STRIKE / "server.py"]
    environment = os.environ | {"PYTHONPATH": STRIKE_PATH}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        yield process
        process.stdin.close()


def strike_environment(files: Path, counter: Path, moment: int, what: int, aim: str) -> dict[str, str]:
    """What every process that may be struck must be started with."""
    counter.write_text("")
    return {
        "PYTHONPATH": STRIKE_PATH,
        "STRIKE_FILES": str(files),
        "STRIKE_COUNTER": str(counter),
        "STRIKE_AT": str(moment),
        "STRIKE_SIGNAL": str(int(what)),
        "STRIKE_AIM": aim,
    }


@pytest.fixture
def strike_everyone(monkeypatch, tmp_path) -> Callable[[Path, int], Path]:
    """Every process started from now on is killed at this moment of their work together; the file that counts
    it.
    """

    def prepare(files: Path, moment: int) -> Path:
        counter = tmp_path / "strike-counter"
        for name, value in strike_environment(files, counter, moment, signal.SIGKILL, "self").items():
            monkeypatch.setenv(name, value)
        return counter

    return prepare


@pytest.fixture
def strike(strike_server, tmp_path) -> Callable[..., Struck]:
    """walrus-ingest in a process of its own, struck at one exact moment of its work on files below
    `files`.
    """

    def run(
        arguments: list[object],
        files: Path,
        moment: int = NEVER,
        what: int = signal.SIGKILL,
        aim: str = "group",
    ) -> Struck:
        out, err, counter = (tmp_path / f"strike-{name}" for name in ("out", "err", "counter"))
        request = {
            "arguments": [str(argument) for argument in arguments],
            "environment": strike_environment(files, counter, moment, what, aim),
            "streams": [str(out), str(err)],
        }
        print(json.dumps(request), file=strike_server.stdin, flush=True)
        session, code = json.loads(strike_server.stdout.readline())
        return Struck(session, code, out.read_text(), err.read_text(), counter.read_text())

    return run


def _read_all(path: Path, recipe: Recipe) -> list[np.ndarray]:
    with find(recipe.source).open_file(path, recipe) as file:
        return [file.frames(row, 0, len(file.rows[row].time)) for row in range(len(file.rows))]


@pytest.fixture
def read_all() -> Callable[[Path, Recipe], list[np.ndarray]]:
    """Frames [T, C, *S] of every trajectory of a file."""
    return _read_all


@pytest.fixture
def refusal() -> Callable[[Path, Recipe], str]:
    """The message, checked to be one line that names the file, with which a source refuses it."""

    def message(path: Path, recipe: Recipe) -> str:
        with pytest.raises(SourceError) as caught:
            _read_all(path, recipe)
        text = str(caught.value)
        assert "\n" not in text
        assert str(path) in text
        return text

    return message
