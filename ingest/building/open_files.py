"""Finds files that a process has open for writing: a simulation that still runs, or a notebook.

Linux lists them in /proc; only root sees those of other users. On other systems nothing is found, and never
the processes of another machine that shares the disk (docs/decisions/0046).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

Identity = tuple[int, int]
PROCESSES = Path("/proc")


def processes_that_write() -> dict[Identity, str]:
    """Maps device and inode of each file that another process has open for writing to that process."""
    found: dict[Identity, str] = {}
    if not PROCESSES.is_dir():
        return found
    for process in PROCESSES.iterdir():
        # The process may end now, or belong to another user.
        if process.name.isdecimal() and int(process.name) != os.getpid():
            with suppress(OSError):
                _add_files_of(process, found)
    return found


def _add_files_of(process: Path, found: dict[Identity, str]) -> None:
    for handle in (process / "fd").iterdir():
        with suppress(OSError):
            if _is_writing(process / "fdinfo" / handle.name):
                status = handle.stat()
                name = (process / "comm").read_text().strip()
                found[status.st_dev, status.st_ino] = f"process {process.name} ({name})"


def _is_writing(info: Path) -> bool:
    """Whether the octal flags of open(2) in `fdinfo` allow writing."""
    for line in info.read_text().splitlines():
        word, _, value = line.partition(":")
        if word == "flags":
            return int(value, 8) & os.O_ACCMODE in (os.O_WRONLY, os.O_RDWR)
    return False
