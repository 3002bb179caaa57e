"""Builds parts in this process, or in several processes on this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

from ingest.building.part import build_part
from ingest.building.part_record import PartRecord
from ingest.building.plan import BuildPlan, Part
from shards.errors import WalrusError
from shards.program.machine import no_imports_from_here
from shards.program.signals import withheld
from shards.program.starting import SIGNALS

Results = Iterator[tuple[Part, PartRecord]]


def in_processes(plan: BuildPlan, parts: list[Part], folder: Path, slab_bytes: int, workers: int) -> Results:
    """Builds parts; yields each with its record, in the order they are done. Raises WalrusError if a worker
    dies.
    """
    if workers == 1 or len(parts) < 2:
        for part in parts:
            yield part, build_part(plan, part, folder, slab_bytes)
        return
    terms = without_parts(plan)
    with _pool(min(workers, len(parts))) as pool:
        # A terminal and most schedulers send signals to every process: only the parent reports them.
        with withheld(signal.SIGINT, *SIGNALS):
            jobs = {pool.submit(build_part, terms, part, folder, slab_bytes): part for part in parts}
        for job in as_completed(jobs):
            yield jobs[job], _result(job)


def without_parts(plan: BuildPlan) -> BuildPlan:
    """The plan without its parts: what is sent with each single part."""
    return replace(plan, parts=(), refused=())


def _result(job: Future[PartRecord]) -> PartRecord:
    try:
        return job.result()
    except BrokenProcessPool as error:
        raise WalrusError(
            "a worker process was killed, usually because memory ran out; use fewer --workers, then run the "
            "same command again"
        ) from error


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that share nothing, because HDF5 does not survive a fork. An error cancels parts not yet
    begun.
    """
    with no_imports_from_here():
        pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_follow_parent)
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _follow_parent() -> None:
    """Ends this worker when its parent ends, so that no worker writes after the parent was killed."""
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
