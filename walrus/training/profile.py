"""A profile of a few steps on CPU and GPU, as a file that chrome://tracing and Perfetto open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch.profiler import profile, schedule

# Steps that are let pass, that the profiler warms up in, and that are written down.
SKIPPED, WARMING, TRACED = 1, 1, 3


@contextmanager
def traced(folder: Path | None, rank: int) -> Iterator[Callable[[], None]]:
    """Yields what to call after each step; the fifth leaves `rank-00000.json` in `folder`. None: no trace."""
    if folder is None:
        yield lambda: None
        return
    folder.mkdir(parents=True, exist_ok=True)

    def write(profiler: profile) -> None:
        profiler.export_chrome_trace(str(folder / f"rank-{rank:05d}.json"))

    steps = schedule(wait=SKIPPED, warmup=WARMING, active=TRACED, repeat=1)
    with profile(schedule=steps, on_trace_ready=write) as profiler:
        yield profiler.step
