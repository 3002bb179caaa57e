"""Builds parts on a dask.distributed cluster, started by SLURM, Kubernetes, SSH or on one machine.

Workers read the sources and write the shards directly: both must be on a file system that all of them mount.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from ingest.building.part import build_part
from ingest.building.part_record import RECORDS
from ingest.building.plan import BuildPlan, Part
from ingest.building.processes import Results, without_parts
from shards.errors import SettingsError, WalrusError, WalrusWarning

SECONDS_TO_CONNECT = 15
# Seconds between two checks for parts that are done, and between two counts of the workers.
POLL, COUNT_WORKERS = 0.05, 2.0
# The packages that send tasks and data: scheduler, workers and this process need the same version.
SENDING = ("python", "dask", "distributed")


@dataclass(frozen=True)
class Cluster:
    """The address of a dask scheduler, and how many seconds a build waits for lost workers."""

    address: str
    wait: float


def on_cluster(
    plan: BuildPlan, parts: list[Part], folder: Path, slab_bytes: int, cluster: Cluster
) -> Results:
    """Builds parts on a cluster; yields each part with its record, in the order in which they are done.

    Raises SettingsError if no scheduler answers, if it has no worker, if versions differ, or if a worker
    cannot see the files; WalrusError if the scheduler ends, or if all workers end and none comes back.
    """
    if not parts:
        return
    # Imported here, because it is slow to import and a build on one machine does not need it.
    distributed = import_module("distributed")
    inputs = tuple(replace(file, root=file.root.resolve()) for file in plan.inputs)
    terms = replace(without_parts(plan), inputs=inputs)
    with _client(distributed, cluster.address) as client:
        _require_versions(client, cluster.address)
        _require_sight(client, cluster.address, [folder.resolve() / RECORDS, *{file.root for file in inputs}])
        place = folder.resolve()
        jobs = {client.submit(build_part, terms, part, place, slab_bytes, pure=False): part for part in parts}
        for job in _as_done(client, list(jobs), cluster):
            yield jobs[job], _result(distributed, job, cluster.address)


@contextmanager
def _client(distributed: Any, scheduler: str) -> Iterator[Any]:
    """A connection to the scheduler. Hides dask's own messages about a lost connection, which we report."""
    lines = logging.getLogger("distributed")
    before = lines.level
    lines.setLevel(logging.CRITICAL)

    try:
        client = distributed.Client(scheduler, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"--scheduler {scheduler}: no dask scheduler answers ({error}); expected its address, such as "
            "tcp://host:8786; start one with: dask scheduler"
        ) from error
    finally:
        lines.setLevel(before)

    with client:
        lines.setLevel(logging.CRITICAL)
        try:
            yield client
        finally:
            lines.setLevel(before)


def _require_versions(client: Any, scheduler: str) -> None:
    """Raises SettingsError if scheduler or workers have other versions of the packages that send tasks."""
    found = client.get_versions()
    ours = _sending(found["client"])
    for place, theirs in {"the scheduler": found["scheduler"], **found["workers"]}.items():
        for name, version in _sending(theirs).items():
            if version != ours[name]:
                raise SettingsError(
                    f"--scheduler {scheduler}: {place} has {name} {version}, this process {ours[name]}; "
                    "start all of them in the same environment"
                )


def _sending(place: dict[str, Any]) -> dict[str, str]:
    """Versions of the packages that send tasks; of Python only the first two numbers."""
    versions = {name: str(place["packages"].get(name)) for name in SENDING}
    versions["python"] = ".".join(versions["python"].split(".")[:2])
    return versions


def _require_sight(client: Any, scheduler: str, places: list[Path]) -> None:
    """Raises SettingsError if there is no worker, or a worker lacks our package, files or folders."""
    seen: dict[str, Any] = client.run(look_around, places, on_error="return")
    if not seen:
        raise SettingsError(
            f"--scheduler {scheduler}: has no workers; start some with: dask worker {scheduler}"
        )

    ours = metadata.version("walrus-pde")
    for worker, sight in seen.items():
        if not isinstance(sight, WorkerReport) or sight.version != ours:
            found = sight.version if isinstance(sight, WorkerReport) else f"none ({sight})"
            raise SettingsError(
                f"--scheduler {scheduler}: expected walrus-pde {ours} on the worker at {worker}, found "
                f"{found}; start all of them in the same environment"
            )
        if sight.missing:
            raise SettingsError(
                f"{sight.missing[0]}: the worker at {worker} cannot see it; source and root must be on a "
                "file system that every worker mounts at the same path"
            )


@dataclass(frozen=True)
class WorkerReport:
    """What a worker reports: the version of our package, and the files and folders that it cannot see."""

    version: str
    missing: tuple[str, ...]


def look_around(places: list[Path]) -> WorkerReport:
    """Runs on a worker: the version of our package there, and which of these files it cannot see."""
    missing = tuple(str(place) for place in places if not place.exists())
    return WorkerReport(metadata.version("walrus-pde"), missing)


def _as_done(client: Any, jobs: list[Any], cluster: Cluster) -> Iterator[Any]:
    """Yields the jobs in the order in which they are done. Cancels the rest if the caller stops.

    Raises WalrusError after `cluster.wait` seconds without a worker.
    """
    waiting = list(jobs)
    counted = last_seen = time.monotonic()
    is_reported = False

    try:
        while waiting:
            done = [job for job in waiting if job.done()]
            yield from done
            ended = set(done)
            waiting = [job for job in waiting if job not in ended]
            now = time.monotonic()
            if done or now - counted < COUNT_WORKERS:
                time.sleep(0 if done else POLL)
                continue
            counted = now
            if _workers(client, cluster.address):
                last_seen, is_reported = now, False
            elif now - last_seen > cluster.wait:
                raise WalrusError(
                    f"--scheduler {cluster.address}: has had no worker for {cluster.wait:g} s; "
                    f"parts not done: {len(waiting)}; start workers, then run the same command again"
                )
            elif not is_reported:
                is_reported = True
                warnings.warn(
                    f"--scheduler {cluster.address}: all workers are gone; {len(waiting)} parts wait for "
                    "new ones",
                    WalrusWarning,
                    stacklevel=2,
                )
    finally:
        if client.status == "running":
            client.cancel(waiting)


def _workers(client: Any, scheduler: str) -> int:
    """The number of workers; raises WalrusError if the scheduler does not answer."""
    try:
        return len(client.nthreads())
    except (OSError, TimeoutError) as error:
        raise _lost(scheduler) from error


def _lost(scheduler: str) -> WalrusError:
    return WalrusError(
        f"--scheduler {scheduler}: the scheduler is lost; start it and its workers again, then run the same "
        "command: finished parts are kept"
    )


def _result(distributed: Any, job: Any, scheduler: str) -> Any:
    """The record of a part; raises WalrusError if the part or its workers failed."""
    try:
        return job.result()
    except distributed.KilledWorker as error:
        raise WalrusError(
            "several workers died while they built one part, usually because memory ran out; "
            "give them more memory, or start fewer on each machine"
        ) from error
    except CancelledError as error:
        raise _lost(scheduler) from error
