"""Locks the parts of a dataset, so that two builds never write the same part at once (docs/decisions/0005).

The process that builds part n locks byte n of `parts/lock`; the file stays empty. If a process dies, the
system releases its lock. On a file system without locks nothing is locked, and no build is refused.
"""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ingest.building.part_record import RECORDS
from shards.disk import NO_LOCKS, open_append
from shards.errors import ShardError
from shards.schema import SPLITS

NAME = "lock"
# The byte that `turn` locks: larger than any number of a part.
TURN = 2**40


@dataclass(frozen=True)
class Lock:
    """The lock file of a dataset, open."""

    folder: Path
    file: BinaryIO

    def take(self, start: int, length: int) -> None:
        """Locks bytes from `start` on (all of them for length 0); raises ShardError if another process holds
        one.
        """
        try:
            fcntl.lockf(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise ShardError(
                    f"{self.folder}: another process is writing the same parts; wait for it or stop it"
                ) from error
            if error.errno not in NO_LOCKS:
                raise

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits until no other process is in this section."""
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
    """Holds these parts of a dataset (None: all parts); raises ShardError if another process holds one.

    Raises ShardError too if a folder that a build clears is a link: it may point to other people's files
    (docs/decisions/0041-nothing-of-others-is-believed.md).
    """
    for name in (RECORDS, *SPLITS):
        if (folder / name).is_symlink():
            raise ShardError(
                f"{folder / name}: is a link, and a build removes unknown files in this folder; replace the "
                "link by a folder, or name another root"
            )

    # The folder of the records is made first: a later run recognises a build by it.
    (folder / RECORDS).mkdir(parents=True, exist_ok=True)
    with open_append(folder / RECORDS / NAME) as file:
        held = Lock(folder, file)
        if parts is None:
            held.take(0, 0)
        else:
            for part in parts:
                held.take(part, 1)
        yield held
