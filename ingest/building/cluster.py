"""Builds parts on a dask.distributed cluster, started by SLURM, Kubernetes, SSH or on one machine.

Workers read the sources and write the shards themselves: both must be on a file system that all of them see.
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

from ingest.building.part import RECORDS, build_part
from ingest.building.plan import BuildPlan, Part
from ingest.building.processes import Results, without_parts
from shards.errors import SettingsError, WalrusError, WalrusWarning

SECONDS_TO_CONNECT = 15
# Seconds between two looks at what is done, and between two at who works.
POLL, LOOK = 0.05, 2.0
# What sends tasks and data, and must be of one version on all sides.
SENDING = ("python", "dask", "distributed")


@dataclass(frozen=True)
class Cluster:
    """The dask scheduler at an address, and for how many seconds a build waits for workers that are gone."""

    address: str
    wait: float


def on_cluster(
    plan: BuildPlan, parts: list[Part], folder: Path, slab_bytes: int, cluster: Cluster
) -> Results:
    """Each part and its record, in the order they are done.

    Raises SettingsError where no scheduler answers, it has no worker, versions differ, or a worker does not
    see the files; WalrusError where the scheduler ends, or all workers do and none comes back.
    """
    if not parts:
        return
    # Loaded here: who builds on one machine never waits for it.
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
    """A connection, without dask's own lines about one that is lost: it is said in one of ours."""
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
    """Raises SettingsError where scheduler or workers have other versions of what sends tasks."""
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
    """The versions that matter; of Python the first two numbers."""
    versions = {name: str(place["packages"].get(name)) for name in SENDING}
    versions["python"] = ".".join(versions["python"].split(".")[:2])
    return versions


def _require_sight(client: Any, scheduler: str, places: list[Path]) -> None:
    """Raises SettingsError where there is no worker, or one without our package, files or folders."""
    seen: dict[str, Any] = client.run(look_around, places, on_error="return")
    if not seen:
        raise SettingsError(
            f"--scheduler {scheduler}: has no workers; start some with: dask worker {scheduler}"
        )
    ours = metadata.version("walrus-pde")
    for worker, sight in seen.items():
        if not isinstance(sight, Sight) or sight.version != ours:
            found = sight.version if isinstance(sight, Sight) else f"none ({sight})"
            raise SettingsError(
                f"--scheduler {scheduler}: expected walrus-pde {ours} on the worker at {worker}, found "
                f"{found}; start all of them in the same environment"
            )
        if sight.missing:
            raise SettingsError(
                f"{sight.missing[0]}: is not seen by the worker at {worker}; source and root must be on a "
                "file system that every worker mounts at the same place"
            )


@dataclass(frozen=True)
class Sight:
    """What a worker has: the version of our package; those of some files and folders that it does not see."""

    version: str
    missing: tuple[str, ...]


def look_around(places: list[Path]) -> Sight:
    """What this process has."""
    missing = tuple(str(place) for place in places if not place.exists())
    return Sight(metadata.version("walrus-pde"), missing)


def _as_done(client: Any, jobs: list[Any], cluster: Cluster) -> Iterator[Any]:
    """The jobs in the order they are done. Their rest is cancelled where nobody wants it any more.

    Raises WalrusError where no worker has been there for `cluster.wait` seconds.
    """
    waiting, looked, last_seen, is_reported = list(jobs), time.monotonic(), time.monotonic(), False
    try:
        while waiting:
            done = [job for job in waiting if job.done()]
            yield from done
            ended = set(done)
            waiting = [job for job in waiting if job not in ended]
            now = time.monotonic()
            if done or now - looked < LOOK:
                time.sleep(0 if done else POLL)
                continue
            looked = now
            if _workers(client, cluster.address):
                last_seen, is_reported = now, False
            elif now - last_seen > cluster.wait:
                raise WalrusError(
                    f"--scheduler {cluster.address}: has had no worker for {cluster.wait:g} s, "
                    f"{len(waiting)} parts are not done; start workers, and run the same command again"
                )
            elif not is_reported:
                is_reported = True
                warnings.warn(
                    f"--scheduler {cluster.address}: all workers are gone; {len(waiting)} parts wait for "
                    "others",
                    WalrusWarning,
                    stacklevel=2,
                )
    finally:
        if client.status == "running":
            client.cancel(waiting)


def _workers(client: Any, scheduler: str) -> int:
    """How many there are; raises WalrusError where the scheduler does not answer."""
    try:
        return len(client.nthreads())
    except (OSError, TimeoutError) as error:
        raise _lost(scheduler) from error


def _lost(scheduler: str) -> WalrusError:
    return WalrusError(
        f"--scheduler {scheduler}: the scheduler is lost; start it again with its workers, and run the same "
        "command again: parts that are done stay"
    )


def _result(distributed: Any, job: Any, scheduler: str) -> Any:
    """The record of a part; raises WalrusError if the part or its workers failed."""
    try:
        return job.result()
    except distributed.KilledWorker as error:
        raise WalrusError(
            "several workers died while they built one part, usually because memory ran out; "
            "give them more, or start fewer on a machine"
        ) from error
    except CancelledError as error:
        raise _lost(scheduler) from error
