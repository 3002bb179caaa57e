"""Profiles a few steps on CPU and GPU, into a file for chrome://tracing or Perfetto."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch.profiler import profile, schedule

from shards.program.side_task import SideTask

# Steps that are skipped, steps to warm up the profiler, and steps that are recorded.
SKIPPED, WARMING, TRACED = 1, 1, 3


@contextmanager
def traced(folder: Path | None, rank: int) -> Iterator[Callable[[], None]]:
    """Yields the function to call after each step; the fifth call writes `rank-00000.json` into `folder`.

    Without a folder there is no trace. An error of the profiler is reported once, and does not end the run.
    """
    if folder is None:
        yield lambda: None
        return
    task = SideTask(f"trace of rank {rank}")
    profiler = task.do(lambda: _started(folder, rank))

    def count_step() -> None:
        if profiler is not None:
            task.do(profiler.step)

    try:
        yield count_step
    finally:
        if profiler is not None:
            task.do(profiler.stop)


def _started(folder: Path, rank: int) -> profile:
    folder.mkdir(parents=True, exist_ok=True)

    def write(profiler: profile) -> None:
        path = folder / f"rank-{rank:05d}.json"
        profiler.export_chrome_trace(str(path))
        # torch reports no error if it cannot write.
        if not path.is_file():
            raise OSError(f"{path}: cannot be written")

    steps = schedule(wait=SKIPPED, warmup=WARMING, active=TRACED, repeat=1)
    profiler = profile(schedule=steps, on_trace_ready=write)
    profiler.start()
    return profiler
