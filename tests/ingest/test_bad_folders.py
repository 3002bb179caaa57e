"""Every ingest command into a disk that is full, read-only or of another user, and onto a stdout that is full
or that nobody reads: one line, no trace, and nothing is lost."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ingest.cli import app
from shards.read import Dataset
from shards.verify import faults

RECIPE = """
name = "waves"
title = "Small files"
licence = "MIT"
source = "arrays"
files = "*.npz"
axes = ["x", "y"]
layout = "n t x y"
fields = [{name = "density", stored = ["density"]}]
time = {step = 0.5}
coordinates = {x = {lower = 0.0, upper = 1.0}, y = {lower = 0.0, upper = 1.0}}
boundaries = {x = ["periodic", "periodic"], y = ["wall", "wall"]}
split = {train = 1.0, valid = 0.0, test = 0.0}
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A recipe, a folder of two files, one of three, a dataset of the two, and parts of such a dataset."""
    monkeypatch.chdir(tmp_path)
    Path("waves.toml").write_text(RECIPE)
    for name, count in (("few", 2), ("all", 3)):
        Path(name).mkdir()
        for number in range(count):
            density = np.random.default_rng(number).normal(size=(1, 4, 6, 4)).astype("f4")
            np.savez(f"{name}/{number}.npz", density=density)
    assert ingest("build waves.toml --from few --to whole").exit_code == 0
    assert ingest("build waves.toml --from few --to parts --part 1/1").exit_code == 0
    return tmp_path


def ingest(command):
    """In this process, which also builds: a test may have taken its powers."""
    return CliRunner().invoke(app, words(command))


def words(command):
    workers = ("--workers", "1") if command.startswith(("build", "append")) else ()
    return [*command.split(), *workers]


def test_each_command_says_so_in_one_line_and_loses_nothing(full_disk, spoil, place):
    subprocess.run(["cp", "-r", "whole", "parts", full_disk], check=True)
    out = spoil(full_disk)
    there = out / "more"
    disk = {path: path.read_bytes() for path in full_disk.rglob("*") if path.is_file()}
    commands = [
        f"build waves.toml --from few --to {there}",
        f"build waves.toml --from few --to {there} --format webdataset",
        f"build waves.toml --from few --to {there} --part 1/1",
        f"convert {full_disk}/whole/waves --format webdataset --to {there}",
        f"inspect few/0.npz --recipe {there}.toml",
    ]
    if not out.is_file():
        commands += [
            f"build waves.toml --from few --to {full_disk}/whole --set title=other",
            f"build waves.toml --from all --to {full_disk}/whole",
            f"append waves.toml --from all --to {full_disk}/whole",
            f"finish {full_disk}/parts/waves",
            f"report {full_disk}/whole/waves",
        ]
    for command in commands:
        done = ingest(command)
        assert isinstance(done.exception, SystemExit), (command, done.exception)
        assert done.exit_code == 1, (command, done.output)
        line = done.stderr.splitlines()[-1]
        assert line.startswith(f"walrus-ingest {command.split()[0]}: "), (command, done.stderr)
        assert str(full_disk) in line, (command, line)
    after = {path: path.read_bytes() for path in full_disk.rglob("*") if path.is_file()}
    assert after.items() >= disk.items()
    # A lock is an empty file that stays; a recipe may find room where a shard finds none.
    assert {path.name for path in after.keys() - disk.keys()} <= {"lock", "recipe.toml"}
    assert list(faults(Dataset(full_disk / "whole" / "waves"))) == []
    # There is nothing to do.
    assert ingest(f"build waves.toml --from few --to {full_disk}/whole").exit_code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_each_result_that_cannot_be_printed_is_one_line_or_none(place):
    commands = [
        "ls",
        "schema",
        "inspect few/0.npz --json",
        "plan waves.toml --from few --to whole",
        "build waves.toml --from few --to whole",
        "verify whole/waves",
        "append waves.toml --from all --to whole",
        "finish parts/waves",
        "convert whole/waves --format webdataset --to converted",
        "report whole/waves",
        "doctor",
    ]
    for command in commands:
        with open("/dev/full", "w") as full:
            code, said = forked(command, full.fileno())
        assert (code, said.count("\n")) == (1, 1), (command, said)
        assert f"walrus-ingest {command.split()[0]}: No space left on device; free space" in said
        unread, nobody = os.pipe()
        os.close(unread)
        code, said = forked(command, nobody)
        os.close(nobody)
        assert (code, "Traceback" in said) == (141, False), (command, said)
    assert list(faults(Dataset(place / "whole" / "waves"))) == []


def forked(command, stdout):
    """Exit code and stderr of a command with this stdout, in a copy of this process, which has loaded all."""
    with open("said", "w+") as said:
        process = os.fork()
        if process == 0:
            os.dup2(stdout, 1)
            os.dup2(said.fileno(), 2)
            sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
            try:
                app(words(command))
            except SystemExit as ended:
                sys.stderr.flush()
                os._exit(ended.code)
            finally:
                os._exit(99)
        _, status = os.waitpid(process, 0)
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read()
