"""What a machine grants, seen on machines that grant too little."""

import json
import os
import shutil
import time
from collections import namedtuple

import pytest
from typer.testing import CliRunner

from ingest.cli import app
from shards.program import checkup
from shards.program.checkup import folder_finding, machine_findings, page, version_findings

Usage = namedtuple("Usage", "total used free")


def problems(ranks=1):
    return {each.subject: each.problem for each in machine_findings(ranks) if each.problem}


@pytest.fixture
def _little(monkeypatch):
    """A container with 64 MB of shared memory and 300 MB of memory, 100 open files, a job about to end."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**8, 0, 64 * 10**6))
    monkeypatch.setattr(checkup, "usable_memory", lambda: 3 * 10**8)
    monkeypatch.setattr(checkup.resource, "getrlimit", lambda what: (100, 4096))
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 30))


@pytest.mark.usefixtures("_little")
def test_each_want_is_named_with_its_cure():
    found = problems(ranks=8)
    assert found.keys() == {"memory", "shared memory", "open files", "time limit"}
    assert found["memory"] == "expected 500 MB at least; ask for more"
    assert "64 MB free, 8 ranks need 256 MB; give the container more" in found["shared memory"]
    assert found["open files"].endswith("raise it: ulimit -n 4096")
    assert "ask for more time" in found["time limit"]
    assert "shared memory" not in problems(ranks=2)


def test_a_package_of_another_version_is_named(monkeypatch):
    assert [each.problem for each in version_findings()] == ["", ""]
    real = checkup.metadata.version
    monkeypatch.setattr(
        checkup.metadata, "version", lambda name: "0.16.0" if name == "deepspeed" else real(name)
    )
    assert version_findings()[1].problem.startswith("deepspeed 0.16.0, expected ")


def test_a_folder_that_cannot_be_made_is_named_and_nothing_is_made(tmp_path):
    (tmp_path / "file").touch()
    assert "file does not allow it" in folder_finding("root", tmp_path / "file" / "root").problem
    assert "EB are needed, the disk has" in folder_finding("root", tmp_path / "new", 10**21).problem
    assert folder_finding("root", tmp_path / "new" / "root").problem == ""
    assert os.listdir(tmp_path) == ["file"]


def test_the_page_of_a_machine_is_narrow_and_ends_with_the_verdict():
    lines = page([*version_findings(), *machine_findings()]).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[-1] == "Nothing found that would stop a run."


def test_the_doctor_of_ingest_ends_with_1_where_a_build_would_stop(tmp_path):
    (tmp_path / "file").touch()
    well = CliRunner().invoke(app, ["doctor", "--to", str(tmp_path / "root")])
    assert (well.exit_code, well.stdout.splitlines()[-1]) == (0, "Nothing found that would stop a run.")
    ill = CliRunner().invoke(app, ["doctor", "--to", str(tmp_path / "file"), "--json"])
    assert ill.exit_code == 1
    assert "choose another folder" in json.loads(ill.stdout)["root"]["problem"]
