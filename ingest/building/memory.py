"""Memory of a build: the limit, the need of a process, the size of a slab.

None of this changes the bytes that are written: only the data decide how shards and chunks are cut.
"""

from __future__ import annotations

from dataclasses import dataclass

from shards.errors import SettingsError
from shards.program.byte_size import enough
from shards.program.machine import usable_memory

# Small enough to stay in the processor cache until its frames are encoded; the next slab reuses its memory.
SLAB_BYTES = 8 * 2**20
# Measured peaks of resident memory for frames of 0.05 to 32 MiB, rounded up (docs/decisions/0008-memory.md):
# bytes of python and its libraries; frames next to the slabs (checks, encoder); slabs that are read, checked
# or encoded, with copies.
PROCESS_BYTES = 96 * 2**20
FRAMES = 8
SLABS = 5


@dataclass(frozen=True)
class Resources:
    """The workers that build the parts, and the memory that they may use.

    These are `workers` processes on this machine, or the dask cluster at the address `scheduler`. `memory`
    (bytes) is the limit of all processes on this machine together, or of each worker of a cluster; None
    stands for the memory of this machine, container or job. A build waits `wait` seconds for lost workers.
    """

    workers: int
    scheduler: str | None = None
    memory: int | None = None
    wait: float = 600.0

    def slab_bytes(self, work: Workload) -> int:
        """Bytes of a slab that each process may read; raises SettingsError if one frame does not fit."""
        if self.scheduler is None:
            return slab_within(work, self.memory or usable_memory(), self.workers)
        return slab_within(work, self.memory, 1)


@dataclass(frozen=True)
class Workload:
    """What the memory of a build depends on: bytes of a frame and of the constant fields as read, number of
    parts.
    """

    frame_bytes: int
    static_bytes: int
    parts: int


def process_bytes(work: Workload, slab_bytes: int) -> int:
    """Upper bound on the memory of one process that reads slabs of this size.

    >>> process_bytes(Workload(frame_bytes=2**20, static_bytes=0, parts=4), slab_bytes=8 * 2**20) // 2**20
    144
    """
    return _next_to_slabs(work) + SLABS * max(slab_bytes, work.frame_bytes)


def slab_within(work: Workload, memory: int | None, workers: int) -> int:
    """Bytes of a slab with which all processes stay below `memory`; raises SettingsError if no frame fits.

    >>> slab_within(Workload(frame_bytes=2**20, static_bytes=0, parts=4), 500 * 10**6, workers=2) // 2**20
    8
    """
    if memory is None:
        return SLAB_BYTES
    processes = max(1, min(workers, work.parts))
    parent = PROCESS_BYTES if processes > 1 else 0
    slab = min(SLAB_BYTES, ((memory - parent) // processes - _next_to_slabs(work)) // SLABS)
    if slab < min(SLAB_BYTES, work.frame_bytes):
        need = parent + processes * process_bytes(work, work.frame_bytes)
        fewer = ", or use fewer --workers" if processes > 1 else ""
        raise SettingsError(
            f"--memory {enough(memory)} for {processes} processes: frames of "
            f"{enough(work.frame_bytes)} need {enough(need)}; give this much{fewer}"
        )
    return slab


def _next_to_slabs(work: Workload) -> int:
    return PROCESS_BYTES + FRAMES * max(work.frame_bytes, work.static_bytes)
