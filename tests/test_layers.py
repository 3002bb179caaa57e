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
        ("typer", {"shards/console.py", "ingest/cli.py", "ingest/options.py", "ingest/output.py", "pipelines"}),
    ],
)
def test_each_of_these_has_its_place(name, allowed):
    users = {path.relative_to(ROOT) for path in MODULES if name in imported(path)}
    assert users
    assert not [user for user in users if not any(user.is_relative_to(place) for place in allowed)]


def test_only_the_upper_two_know_torch():
    assert not [path for path in MODULES if "torch" in imported(path) and path.parts[-2] in ("shards", "ingest")]


def test_the_ingest_command_loads_neither_torch_nor_deepspeed():
    code = "import sys, ingest.cli; print(sorted({'torch', 'deepspeed', 'matplotlib'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_a_worker_of_a_build_loads_no_zarr_before_it_reads_one():
    code = "import sys, ingest.run; print(sorted({'zarr', 'fsspec', 'dask'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_our_four_names_are_ours_alone():
    owners = packages_distributions()
    assert {name: set(owners.get(name, [])) for name in PACKAGES} == {name: {"walrus-pde"} for name in PACKAGES}
