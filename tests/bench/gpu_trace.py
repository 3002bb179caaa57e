"""What a profile of torch says about the card: which kernels ran, how long, and which side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gpu_common import Session
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity
from torch.profiler import profile as profiled


@dataclass(frozen=True)
class Kernel:
    """One kernel or copy on the card, from `start` to `end` in microseconds; its name is in small letters."""

    name: str
    start: float
    end: float

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / 1e6


def traced(session: Session, work: Callable[[], object]) -> Any:
    """The profile of one call."""
    activities = [ProfilerActivity.CPU] + ([] if session.rehearse else [ProfilerActivity.CUDA])
    with profiled(activities=activities) as trace:
        work()
        session.synchronise()
    return trace


def kernels(session: Session, trace: Any) -> Iterator[Kernel]:
    """All that ran on the card; in a rehearsal the operations on the CPU, without those that they call.

    Operations of the host carry the time of their kernels as well, and ranges of the user that of all inside
    them: both would count twice.
    """
    for event in trace.events():
        name, start = event.name.lower(), event.time_range.start
        if session.rehearse:
            yield Kernel(name, start, start + event.self_cpu_time_total)
        elif event.device_type == DeviceType.CUDA and not event.is_user_annotation:
            yield Kernel(name, start, event.time_range.end)


def busy_seconds(every: list[Kernel]) -> float:
    """How long at least one of them ran.

    >>> busy_seconds([Kernel("a", 0, 2e6), Kernel("b", 1e6, 3e6), Kernel("c", 5e6, 6e6)])
    4.0
    """
    busy, reached = 0.0, 0.0
    for kernel in sorted(every, key=lambda kernel: kernel.start):
        busy += max(0.0, kernel.end - max(kernel.start, reached))
        reached = max(reached, kernel.end)
    return busy / 1e6


def hidden_share(copies: list[Kernel], others: list[Kernel]) -> float | None:
    """The share of the time of copies in which something else ran as well; None without copies.

    >>> hidden_share([Kernel("copy", 0, 4e6)], [Kernel("a", 1e6, 2e6), Kernel("b", 3e6, 9e6)])
    0.5
    """
    copying = busy_seconds(copies)
    if not copying:
        return None
    both = copying + busy_seconds(others) - busy_seconds([*copies, *others])
    return both / copying
