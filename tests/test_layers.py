"""The arrows between the packages, and what is loaded when."""

import ast
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("shards", "ingest", "walrus", "pipelines")
MAY_IMPORT = {
    "shards": {"shards"},
    "ingest": {"ingest", "shards"},
    "walrus": {"walrus", "shards"},
    "pipelines": set(PACKAGES),
}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Top-level names of all that a module imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import; import what you see"
            names.add((node.module or "").split(".")[0])
    return names


def test_no_package_imports_one_above_it():
    assert len(MODULES) > 40
    wrong = {
        str(path.relative_to(ROOT)): sorted(forbidden)
        for path in MODULES
        if (forbidden := imported(path) & (set(PACKAGES) - MAY_IMPORT[path.relative_to(ROOT).parts[0]]))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("deepspeed", {"walrus/training/engine.py"}),
        ("h5py", {"ingest/sources"}),
        ("typer", {"shards/program/console.py", "ingest/cli.py", "ingest/options.py", "ingest/output.py", "pipelines"}),
    ],
)
def test_each_of_these_has_its_place(name, allowed):
    users = {path.relative_to(ROOT) for path in MODULES if name in imported(path)}
    assert users
    assert not [user for user in users if not any(user.is_relative_to(place) for place in allowed)]


def test_only_the_upper_two_know_torch():
    assert not [path for path in MODULES if "torch" in imported(path) and path.parts[-2] in ("shards", "ingest")]


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("ingest.cli", {"torch", "deepspeed", "matplotlib"}),
        # What a worker of a build begins with: zarr is loaded to read one.
        ("ingest.building.run", {"torch", "zarr", "fsspec", "dask"}),
    ],
)
def test_a_command_of_ingest_loads_nothing_that_it_may_do_without(module, unwanted):
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not unwanted & set(done.stdout.split())


def test_our_four_names_are_ours_alone():
    owners = packages_distributions()
    assert {name: set(owners.get(name, [])) for name in PACKAGES} == {name: {"walrus-pde"} for name in PACKAGES}
