"""A real dask scheduler with workers in processes of their own does the parts of a build."""

import shutil
import socket
from pathlib import Path

import pytest

from ingest.building.cluster import unseen

# Amidst the files of a trajectory.
MOMENT = 60
PACKAGINGS = pytest.mark.parametrize("packaging", ["zarr", "webdataset"])


@pytest.fixture(scope="module")
def cluster():
    """A scheduler and two worker processes."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
    ) as made:
        yield made.scheduler_address


@PACKAGINGS
def test_a_cluster_and_one_worker_give_the_same_bytes(good, build, tmp_path, tree, cluster, packaging):
    good.spoil(good.write("train/spoiled"))
    alone = build("--format", packaging, root=tmp_path / "alone")
    shared = build("--format", packaging, "--scheduler", cluster, root=tmp_path / "shared")
    assert (shared.exit_code, shared.stderr) == (alone.exit_code, alone.stderr)
    assert tree(tmp_path / "shared") == tree(tmp_path / "alone")
    again = build("--format", packaging, "--scheduler", cluster, root=tmp_path / "shared")
    assert "nothing to do" in again.stdout


def test_a_cluster_may_do_one_share(good, build, command, tmp_path, tree, cluster):
    build(root=tmp_path / "alone")
    for job in (1, 2):
        assert build("--scheduler", cluster, "--part", f"{job}/2").exit_code == 0
    assert command("finish", tmp_path / "root" / "waves").exit_code == 0
    assert tree(tmp_path / "root") == tree(tmp_path / "alone")


@pytest.mark.slow
def test_a_worker_killed_at_work_costs_nothing(good, build, tmp_path, tree, strike_everyone):
    """Another does its part; where the scheduler does not try again, that is told, and the next run
    goes on.
    """
    distributed = pytest.importorskip("distributed")
    counter = strike_everyone(tmp_path / "root", MOMENT)
    assert build(root=tmp_path / "alone").exit_code == 0
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=60
    ) as made:
        there = ["--scheduler", made.scheduler_address]
        made.scheduler.allowed_failures = 0
        result = build(*there)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "workers of the cluster died over one part" in result.stderr.splitlines()[-1]
        assert build(*there).exit_code == 0
        assert tree(tmp_path / "root") == tree(tmp_path / "alone")
        shutil.rmtree(tmp_path / "root")
        counter.write_text("")
        made.scheduler.allowed_failures = 3
        assert build(*there).exit_code == 0
        assert len(counter.read_text()) > MOMENT
        assert tree(tmp_path / "root") == tree(tmp_path / "alone")


def test_a_scheduler_without_workers_is_one_line(good, build):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as made:
        result = build("--scheduler", made.scheduler_address)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert "has no workers; start some with: dask worker" in line


def test_no_scheduler_is_one_line(good, build, monkeypatch):
    monkeypatch.setattr("ingest.building.cluster.SECONDS_TO_CONNECT", 1)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{closed.getsockname()[1]}"
    for scheduler in (address, "nonsense://here:1"):
        result = build("--scheduler", scheduler)
        assert result.exit_code == 1
        line = result.stderr.splitlines()[-1]
        assert line.startswith(f"walrus-ingest build: --scheduler {scheduler}: no dask scheduler answers")


def test_what_a_worker_does_not_see_is_told(tmp_path):
    assert unseen([tmp_path, tmp_path / "elsewhere"]) == [str(tmp_path / "elsewhere")]
    assert unseen([Path("/")]) == []
