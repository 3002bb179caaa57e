"""Limits of memory and processor time that control groups (cgroups, versions 1 and 2) set for this process.

Containers and batch jobs often get less than the machine has. A process that takes more memory is killed
without a message. Each group also limits the groups below it: docs/decisions/0070-limits-of-the-machine.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# This process, as Linux describes it; other systems have no groups.
SELF = Path("/proc/self")
# Above `memory.high` the system takes pages away, which makes the process very slow.
MEMORY_FILES = ("memory.limit_in_bytes", "memory.max", "memory.high")


def memory_limit(process: Path = SELF) -> int | None:
    """The smallest memory limit in bytes of all our groups; None without a limit."""
    limits = []
    for folder in _groups(process, "memory"):
        for name in MEMORY_FILES:
            limits += _numbers(folder / name)
    return min(limits, default=None)


def cpu_limit(process: Path = SELF) -> float | None:
    """The smallest processor limit of all our groups, such as 1.5 processors; None without a limit."""
    limits = []
    for folder in _groups(process, "cpu"):
        # Microseconds of work in each period. Version 1 has a file for each number and -1 for no limit.
        first = _numbers(folder / "cpu.cfs_quota_us") + _numbers(folder / "cpu.cfs_period_us")
        pairs = (first, _numbers(folder / "cpu.max"))
        limits += [pair[0] / pair[1] for pair in pairs if len(pair) == 2 and min(pair) > 0]
    return min(limits, default=None)


def _groups(process: Path, controller: str) -> Iterator[Path]:
    """The folders of our groups that have this controller: our own group, and all visible ones above it."""
    # A group may be removed while it is read, and may not be readable for us.
    with suppress(OSError, ValueError):
        mounts = (process / "mountinfo").read_text().splitlines()
        for line in (process / "cgroup").read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            for mount in mounts:
                yield from _folders(mount, controller if controllers else "", group)


def _folders(mount: str, controller: str, group: str) -> Iterator[Path]:
    """A group and the groups above it, below one mount; nothing if something else is mounted there.

    Without a controller it is a group of version 2, which has one tree for all controllers.
    """
    # Fields as in proc(5): number, parent, device, root, point, options, more, "-", kind, source, options.
    fields, _, rest = mount.partition(" - ")
    root, point = map(_unescaped, fields.split()[3:5])
    kind, _, options = rest.split(" ", 2)
    holds_groups = kind == "cgroup2"
    if controller:
        holds_groups = kind == "cgroup" and controller in options.split(",")
    if not holds_groups:
        return
    top = Path(point)
    # A container sees its own group at the top; the name of the group is then another path, or "/".
    below = Path(group).relative_to(root) if Path(group).is_relative_to(root) else Path()
    folder = top / below
    yield folder
    while folder != top:
        folder = folder.parent
        yield folder


def _unescaped(name: str) -> str:
    r"""A name of mountinfo, where blanks are \040."""
    return re.sub(r"\\(\d{3})", lambda found: chr(int(found[1], 8)), name)


def _numbers(path: Path) -> list[int]:
    """The numbers in a file; none if it is absent or says `max`."""
    try:
        words = path.read_text().split()
    except OSError:
        return []
    return [] if "max" in words else [int(word) for word in words]
