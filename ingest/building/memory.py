"""How much memory a process that does parts holds, and how large a slab it may read within a bound.

The bytes that are written depend on none of this: shards and chunks are cut as the data alone say.
"""

from __future__ import annotations

import numpy as np

from ingest.building.part import SLAB_BYTES
from ingest.building.plan import BuildPlan
from shards.errors import SettingsError
from shards.program.byte_size import enough

# Peaks of resident memory, measured on frames of 0.05 to 32 MiB, rounded up (docs/decisions/0008-memory.md):
# python and its libraries; frames alive beside the slabs (checks, the encoder); slabs being encoded, looked
# at, read, and copies.
PROCESS_BYTES = 96 * 2**20
FRAMES = 8
SLABS = 5


def process_bytes(plan: BuildPlan, slab_bytes: int) -> int:
    """The most that one process holds that reads in slabs of this size."""
    return _beside_slabs(plan) + SLABS * max(slab_bytes, plan.read_frame_bytes)


def slab_within(plan: BuildPlan, memory: int | None, workers: int) -> int:
    """Bytes of a slab with which all processes together stay below `memory`; raises SettingsError below one frame."""
    if memory is None:
        return SLAB_BYTES
    processes = max(1, min(workers, len(plan.parts)))
    parent = PROCESS_BYTES if processes > 1 else 0
    slab = min(SLAB_BYTES, ((memory - parent) // processes - _beside_slabs(plan)) // SLABS)
    if slab < min(SLAB_BYTES, plan.read_frame_bytes):
        need = parent + processes * process_bytes(plan, plan.read_frame_bytes)
        fewer = ", or use fewer --workers" if processes > 1 else ""
        raise SettingsError(
            f"--memory {enough(memory)} for {processes} processes: frames of "
            f"{enough(plan.read_frame_bytes)} need {enough(need)}; give as much{fewer}"
        )
    return slab


def _beside_slabs(plan: BuildPlan) -> int:
    schema = plan.schema
    static = int(np.prod(schema.static_shape)) * np.dtype(plan.read_dtype).itemsize
    return PROCESS_BYTES + FRAMES * max(plan.read_frame_bytes, static)
