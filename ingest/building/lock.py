"""Locks the parts of a dataset, so that two builds at once never write the same (docs/decisions/0005).

The process that does part n locks byte n of `parts/lock`; the file stays empty. The system drops the lock of
a process that dies, however it dies. Where a file system knows no locks, nothing is held and nobody refused.
"""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ingest.building.part import RECORDS
from shards.disk import NO_LOCKS, open_append
from shards.errors import ShardError
from shards.schema import SPLITS

NAME = "lock"
# A byte that stands for no part.
TURN = 2**40


@dataclass(frozen=True)
class Lock:
    """The lock file of a dataset, open."""

    folder: Path
    file: BinaryIO

    def take(self, start: int, length: int) -> None:
        """Locks bytes, all from `start` on for length 0; raises ShardError where another process has one."""
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise ShardError(
                    f"{self.folder}: another process is writing the same parts; wait for it, or stop it"
                ) from error
            if error.errno not in NO_LOCKS:
                raise

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits until no other process is in its turn."""
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX, 1, TURN)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            yield
            return
        try:
            yield
        finally:
            fcntl.lockf(self.file, fcntl.LOCK_UN, 1, TURN)


@contextmanager
def lock(folder: Path, parts: Iterable[int] | None = None) -> Iterator[Lock]:
    """Holds these parts of a dataset, None for all; raises ShardError where another process holds one.

    Also where a folder that a build clears is a link: what is behind it may be anybody's
    (docs/decisions/0041-nothing-of-others-is-believed.md).
    """
    for name in (RECORDS, *SPLITS):
        if (folder / name).is_symlink():
            raise ShardError(
                f"{folder / name}: is a link, and builds remove what they do not know; put the folder itself "
                "there, or name another root"
            )
    # The records' folder comes first: by it a later run knows that the rest is a build's.
    (folder / RECORDS).mkdir(parents=True, exist_ok=True)
    with open_append(folder / RECORDS / NAME) as file:
        held = Lock(folder, file)
        if parts is None:
            held.take(0, 0)
        else:
            for part in parts:
                held.take(part, 1)
        yield held
