"""Does parts on a dask.distributed cluster, started by SLURM, Kubernetes, SSH or on one machine.

Workers read the sources and write the shards themselves: both must be on a file system that all of them see.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from ingest.building.part import RECORDS, build_part
from ingest.building.plan import BuildPlan, Part
from ingest.building.processes import Results, without_parts
from shards.errors import SettingsError, WalrusError

SECONDS_TO_CONNECT = 15


def on_cluster(plan: BuildPlan, parts: list[Part], folder: Path, slab_bytes: int, scheduler: str) -> Results:
    """Each part and its record, in the order they are done.

    Raises SettingsError where no scheduler answers, it has no worker, or a worker does not see the files.
    """
    if not parts:
        return
    # Loaded here: who builds on one machine never waits for it.
    distributed = import_module("distributed")
    inputs = tuple(replace(file, root=file.root.resolve()) for file in plan.inputs)
    terms = replace(without_parts(plan), inputs=inputs)
    with _client(distributed, scheduler) as client:
        _require_sight(client, scheduler, [folder.resolve() / RECORDS, *{file.root for file in inputs}])
        place = folder.resolve()
        jobs = {client.submit(build_part, terms, part, place, slab_bytes, pure=False): part for part in parts}
        try:
            for job in distributed.as_completed(jobs, loop=client.loop):
                yield jobs[job], _result(distributed, job)
        finally:
            client.cancel(list(jobs))


@contextmanager
def _client(distributed: Any, scheduler: str) -> Iterator[Any]:
    try:
        client = distributed.Client(scheduler, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"--scheduler {scheduler}: no dask scheduler answers ({error}); expected its address, such as "
            "tcp://host:8786; start one with: dask scheduler"
        ) from error
    with client:
        yield client


def _require_sight(client: Any, scheduler: str, places: list[Path]) -> None:
    """Raises SettingsError where there is no worker, or one that does not see these files and folders."""
    seen: dict[str, list[str]] = client.run(unseen, places)
    if not seen:
        raise SettingsError(
            f"--scheduler {scheduler}: has no workers; start some with: dask worker {scheduler}"
        )
    for worker, missing in seen.items():
        if missing:
            raise SettingsError(
                f"{missing[0]}: is not seen by the worker at {worker}; source and root must be on a file "
                "system that every worker mounts at the same place"
            )


def unseen(places: list[Path]) -> list[str]:
    """Those of these files and folders that the process does not see."""
    return [str(place) for place in places if not place.exists()]


def _result(distributed: Any, job: Any) -> Any:
    try:
        return job.result()
    except distributed.KilledWorker as error:
        raise WalrusError(
            "workers of the cluster died over one part, most often for want of memory; give them more, or "
            "start fewer on a machine"
        ) from error
