"""Memory of a build: how much it may use, how much a process needs, how large a slab it may read.

The bytes that are written depend on none of this: shards and chunks are cut as the data alone say.
"""

from __future__ import annotations

from dataclasses import dataclass

from shards.errors import SettingsError
from shards.program.byte_size import enough
from shards.program.machine import usable_memory

# Frames of a slab stay in the last cache until they are encoded, and its memory is used again for the next.
SLAB_BYTES = 8 * 2**20
# Peaks of resident memory, measured on frames of 0.05 to 32 MiB, rounded up (docs/decisions/0008-memory.md):
# python and its libraries; frames alive next to the slabs (checks, the encoder); slabs being encoded, looked
# at, read, and copies.
PROCESS_BYTES = 96 * 2**20
FRAMES = 8
SLABS = 5


@dataclass(frozen=True)
class Resources:
    """Who does the parts of a build, and how much memory they may hold.

    `workers` processes of this machine, or the dask cluster at the address `scheduler`. `memory` in bytes
    bounds all processes here together, or each worker of a cluster; None means what this machine, container
    or job has. `wait` is for how many seconds a build waits for workers of a cluster that are gone.
    """

    workers: int
    scheduler: str | None = None
    memory: int | None = None
    wait: float = 600.0

    def slab_bytes(self, work: Work) -> int:
        """Bytes of the slabs that each process may read; raises SettingsError below one frame."""
        if self.scheduler is None:
            return slab_within(work, self.memory or usable_memory(), self.workers)
        return slab_within(work, self.memory, 1)


@dataclass(frozen=True)
class Work:
    """What decides the memory of a build: bytes of a frame and of the constant fields as read; its parts."""

    frame_bytes: int
    static_bytes: int
    parts: int


def process_bytes(work: Work, slab_bytes: int) -> int:
    """The most that one process holds that reads in slabs of this size.

    >>> process_bytes(Work(frame_bytes=2**20, static_bytes=0, parts=4), slab_bytes=8 * 2**20) // 2**20
    144
    """
    return _next_to_slabs(work) + SLABS * max(slab_bytes, work.frame_bytes)


def slab_within(work: Work, memory: int | None, workers: int) -> int:
    """Bytes of a slab with which all processes stay below `memory`; raises SettingsError below one frame.

    >>> slab_within(Work(frame_bytes=2**20, static_bytes=0, parts=4), 500 * 10**6, workers=2) // 2**20
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


def _next_to_slabs(work: Work) -> int:
    return PROCESS_BYTES + FRAMES * max(work.frame_bytes, work.static_bytes)
