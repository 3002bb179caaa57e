"""A real dask scheduler with workers in processes of their own does the parts of a build."""

import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingest.building import cluster as by_cluster
from ingest.building.cluster import Cluster, look_around
from shards.errors import SettingsError, WalrusError, WalrusWarning

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
        assert "several workers died while they built one part" in result.stderr.splitlines()[-1]
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
    assert look_around([tmp_path, tmp_path / "elsewhere"]).missing == (str(tmp_path / "elsewhere"),)
    assert look_around([Path("/")]).missing == ()


def test_a_worker_with_another_version_of_ours_is_named(good, build, cluster, monkeypatch):
    monkeypatch.setattr("ingest.building.cluster.metadata.version", lambda name: "9.9")
    result = build("--scheduler", cluster)
    assert result.exit_code == 1
    line = result.stderr.splitlines()[-1]
    assert re.search(r"expected walrus-pde 9\.9 on the worker at \S+, found 0\.\S+; start all of them", line)


def test_a_scheduler_with_another_version_of_dask_is_named():
    def versions(dask, python="3.11.7.final.0"):
        return {"packages": {"python": python, "dask": dask, "distributed": "2026.8.0"}}

    class Client:
        def __init__(self, scheduler):
            self.scheduler = scheduler

        def get_versions(self):
            return {"client": versions("2026.8.0"), "scheduler": self.scheduler, "workers": {}}

    by_cluster._require_versions(Client(versions("2026.8.0", python="3.11.9.final.0")), "tcp://a:1")
    for other, words in (
        (versions("2025.1"), "dask 2025.1, this process 2026.8.0"),
        (versions("2026.8.0", "3.12.1"), "python 3.12"),
    ):
        with pytest.raises(SettingsError, match=f"the scheduler has {words}"):
            by_cluster._require_versions(Client(other), "tcp://a:1")


@pytest.fixture
def own_cluster(monkeypatch):
    """A scheduler and a worker as programs, and a client with a job that takes an hour."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(by_cluster, "COUNT_WORKERS", 0.1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    dask = [sys.executable, "-m", "dask"]
    port = address.rpartition(":")[2]
    ways = (
        ["scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"],
        ["worker", address, "--no-nanny", "--no-dashboard"],
    )
    programs = [subprocess.Popen([*dask, *way], stderr=subprocess.DEVNULL) for way in ways]
    try:
        with by_cluster._client(distributed, address) as client:
            client.wait_for_workers(1, timeout=60)
            job = client.submit(time.sleep, 3600)
            while not any(client.processing().values()):
                time.sleep(0.05)
            yield programs, client, job, address
    finally:
        for program in programs:
            program.kill()
            program.wait()


@pytest.mark.slow
def test_a_build_whose_workers_are_gone_says_so_and_ends_after_a_while(own_cluster):
    (_, worker), client, job, address = own_cluster
    worker.kill()
    began = time.monotonic()
    with (
        pytest.warns(WalrusWarning, match="all workers are gone; 1 parts wait for new ones"),
        pytest.raises(WalrusError, match=r"has had no worker for 0\.5 s; parts not done: 1; start"),
    ):
        list(by_cluster._as_done(client, [job], Cluster(address, 0.5)))
    assert time.monotonic() - began < 20


@pytest.mark.slow
def test_a_build_that_loses_its_scheduler_says_so(own_cluster):
    (scheduler, _), client, job, address = own_cluster
    scheduler.kill()
    began = time.monotonic()
    done = by_cluster._as_done(client, [job], Cluster(address, 600))
    with pytest.raises(WalrusError, match="the scheduler is lost; start it and its workers again"):
        by_cluster._result(pytest.importorskip("distributed"), next(done), address)
    assert time.monotonic() - began < 20
