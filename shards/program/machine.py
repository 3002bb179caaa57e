"""Finds the cores and the memory that this process may use, and lets it keep freed memory.

The reasons are in docs/decisions/0004-kept-memory.md and 0070-limits-of-the-machine.md.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from shards.program.cgroup import cpu_limit, memory_limit

# Numbers of glibc's mallopt(3).
TRIM_THRESHOLD, MAP_THRESHOLD = -1, -3
LARGEST = 2**31 - 1
LARGEST_MAP_THRESHOLD_BEFORE_2_35 = 32 * 2**20


def usable_cores() -> int:
    """The number of cores that we may use; a job or a container may have fewer than the machine."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    granted = cpu_limit()
    return cores if granted is None else max(1, min(cores, int(granted)))


def usable_memory() -> int:
    """The bytes of memory that this process may use, after limits of container, job and `ulimit -v`."""
    limits = [whole_memory()]
    granted, (address_space, _) = memory_limit(), resource.getrlimit(resource.RLIMIT_AS)
    if granted is not None:
        limits.append(granted)
    if address_space != resource.RLIM_INFINITY:
        limits.append(address_space)
    return min(limits)


def whole_memory() -> int:
    """The bytes of memory of the whole machine, without the limits of this process."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@contextmanager
def no_imports_from_here() -> Iterator[None]:
    """Processes started inside import nothing from the current folder, such as a user's own signal.py."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


def keep_freed_memory() -> None:
    """Lets the process keep what it frees instead of returning it to the system; needs glibc.

    By default glibc maps new memory for every large array, and the page faults cost more than the arithmetic:
    writing a new array of 64 MB takes 48 ms, a kept one 6 ms (docs/lab.md).
    """
    if sys.platform != "linux":
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return
    mallopt(TRIM_THRESHOLD, LARGEST)
    if not mallopt(MAP_THRESHOLD, LARGEST):
        mallopt(MAP_THRESHOLD, LARGEST_MAP_THRESHOLD_BEFORE_2_35)
