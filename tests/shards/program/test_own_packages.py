"""Another distribution's `walrus` in the environment is noticed, and never imported by a command."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from shards.errors import MismatchError
from shards.program.own_packages import OURS, require_own_packages

REPOSITORY = Path(__file__).parents[3]
FORECAST = "from pipelines.evaluate import main; main()"


def foreign(*names: str) -> str:
    """The error about the first of these packages that is not ours; empty if all are."""
    try:
        require_own_packages(names)
    except MismatchError as error:
        return str(error)
    return ""


def test_our_packages_are_ours_and_another_one_is_not():
    assert foreign(*OURS) == ""
    assert "the package numpy belongs to numpy, not to walrus-pde" in foreign("numpy")


@pytest.fixture
def site(tmp_path):
    """An environment into which pip wrote ours, and then another `walrus`."""
    for name in ("shards", *OURS):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "walrus" / "__init__.py").write_text("import redis_of_somebody\n")
    return tmp_path


def test_a_walrus_over_ours_is_said_in_one_line_and_help_still_works(site):
    environment = os.environ | {"PYTHONPATH": str(site)}

    def call(*arguments):
        command = [sys.executable, "-P", "-c", FORECAST, *arguments]
        return subprocess.run(command, text=True, capture_output=True, cwd="/", env=environment, check=False)

    assert call("--help").returncode == 0
    done = call("run", "own", "--root", "data", "--out", "scores")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert f"{site}/walrus/__init__.py: the package walrus belongs to " in line
    assert "ENV/bin/pip install walrus-pde" in line
