"""The wheel, installed where there is no checkout: every command runs, with every file that it needs."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.machinery import PathFinder
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("ingest", "shards", "walrus", "pipelines")
NOT_SHIPPED = {"__pycache__"}
SHORT = ["schedule.steps_an_epoch=2", "schedule.epochs=3", "schedule.warm_up=1", "schedule.cool_down=1"]

# PathFinder alone: setuptools gives up its distutils where all finders are asked for pip, and torch cannot
# compile in that process afterwards.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PathFinder.find_spec("pip") is None, reason="no pip here"),
    pytest.mark.skipif(PathFinder.find_spec("setuptools") is None, reason="no setuptools here"),
]


def files_of(folder: Path) -> set[str]:
    """The files of the four packages below a folder."""
    paths = [path for package in PACKAGES for path in (folder / package).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix() for path in paths if not NOT_SHIPPED & set(path.parts)}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy: a build leaves files next to what it builds."""
    copy, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns(*NOT_SHIPPED))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", out]
    subprocess.run([*pip, *options, copy], check=True)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def run(wheel, tmp_path_factory):
    """Runs a command of an environment that has the wheel, and the packages of this one but not our code."""
    place, folder = tmp_path_factory.mktemp("environment"), tmp_path_factory.mktemp("empty")
    venv.create(place, symlinks=True)
    python = place / "bin" / "python"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--python",
        python,
        "install",
        "--quiet",
    ]
    # Most modules are never imported here.
    subprocess.run([*pip, "--no-deps", "--no-index", "--no-compile", wheel], check=True)
    paths = {"base": str(place), "platbase": str(place)}
    # A path in a file .pth adds the packages; the files .pth of the checkout itself are not read there.
    installed = Path(sysconfig.get_path("purelib", vars=paths))
    (installed / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def call(command: str, *arguments: str) -> str:
        done = subprocess.run(
            [place / "bin" / command, *arguments],
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment | {"OMP_NUM_THREADS": "1"},
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = call("python", "-c", "import ingest, pipelines, shards, walrus as w; print(w.__file__)")
    assert Path(where.strip()).is_relative_to(installed)
    return call


def test_the_wheel_has_every_file_of_the_packages(wheel):
    with zipfile.ZipFile(wheel) as opened:
        assert files_of(ROOT) <= set(opened.namelist())


def test_what_the_packages_bring_is_found(run):
    assert "shear_flow" in run("walrus-ingest", "ls")
    assert 'name = "shear_flow"' in run("walrus-ingest", "ls", "shear_flow")
    assert "[[fields]]" in run("walrus-ingest", "ls", "cmip")
    assert "active_matter" in run("walrus-ingest", "fetch", "--list")
    assert '"properties"' in run("walrus-ingest", "schema")
    assert run("python", "-m", "pipelines.forecast", "--version").startswith("walrus-pde ")


def test_the_demonstration_runs_in_an_empty_folder(run):
    changes = [word for change in SHORT for word in ("--set", change)]
    assert "decaying_vortices" in run("walrus-pretrain", "tiny", "--demo", *changes)
    assert "decaying_vortices  zarr" in run("python", "-m", "ingest.cli", "ls", "demo/data")
    assert run("walrus-ingest", "report", "demo/data/decaying_vortices").strip().endswith("report.html")
