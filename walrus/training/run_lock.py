"""One owner for a folder of results: a file names its process, which touches the file while it runs.

This needs no locks of the file system, so it works over NFS too: docs/decisions/0032-one-owner-for-a-run.md.
"""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from shards.disk import create_temporary, read_regular
from shards.errors import MismatchError, ShardError
from shards.json_text import dump, parse
from shards.schema import Natural, checked

LOCK = "running.json"
# The errors of file systems that have no hard links.
NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK)
# Seconds between two touches of the file; and without a touch, until a run of another host counts as dead.
BEAT, SILENCE = 20.0, 300.0


@checked
class RunOwner:
    """Who writes into a folder.

    `born` distinguishes a process from a later one with the same number; 0: unknown.
    `process_namespace` is that of the process numbers: two containers may have the name of one host, and
    neither sees the processes of the other. Empty: unknown.
    """

    host: str
    process: Natural
    born: Natural
    since: str
    process_namespace: str = ""

    @classmethod
    def here(cls) -> RunOwner:
        """This process."""
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return cls(socket.gethostname(), os.getpid(), _born(os.getpid()), now, _process_namespace())

    @property
    def is_dead(self) -> bool:
        """Whether this is a process of this host, or of this container, that has ended."""
        if (self.host, self.process_namespace) != (socket.gethostname(), _process_namespace()):
            return False
        try:
            os.kill(self.process, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            # It runs, under another user.
            return False
        return self.born != _born(self.process)

    def __str__(self) -> str:
        return f"process {self.process} on {self.host} since {self.since}"


def _born(process: int) -> int:
    """When a process started, in ticks since the machine did; 0 where there is no /proc."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    # The name of the program, in brackets, may hold blanks; what follows it is field 3 and on.
    return int(text.rpartition(")")[2].split()[19])


def _process_namespace() -> str:
    """The namespace of process numbers that this process is in; empty where there is no /proc."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


@contextmanager
def owned(run: Path) -> Iterator[None]:
    """Holds the lock of the folder of a run or of an evaluation; the folder is made if it does not exist.

    A folder that was made, and in which nothing was written, is removed at the end. The lock of a process of
    this host that has ended is taken over; that of another host or container, after some minutes without a
    touch. Raises MismatchError if another process has the lock, or the folder cannot be written.
    """
    path, me, is_new = run / LOCK, RunOwner.here(), False
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(path, ended), daemon=True)
    # A signal may come between any two lines, so the lock is taken inside the `try` that releases it.
    try:
        try:
            is_new = not run.exists()
            run.mkdir(parents=True, exist_ok=True)
            _take(run, path, me)
        except OSError as error:
            if isinstance(error, ShardError):
                raise
            raise MismatchError(f"{run}: cannot be written ({error.strerror}); give another --out") from error
        beating.start()
        yield
    finally:
        ended.set()
        if beating.is_alive():
            beating.join()
        with suppress(OSError, ShardError):
            # Another run may own it, or may have taken over if this one was asleep for long.
            if parse(RunOwner, read_regular(path), str(path)) == me:
                path.unlink()
                if is_new:
                    # Fails if there are files in it.
                    run.rmdir()


def _take(run: Path, path: Path, me: RunOwner) -> None:
    """Makes the lock by a hard link, which fails if there is a lock already, also over NFS.

    On file systems without hard links, such as some of FUSE, it is a new file.
    """
    mine, file = create_temporary(path)
    try:
        with file:
            file.write(dump(RunOwner, me).encode())
        for _ in range(2):
            try:
                _name(mine, path)
                return
            except FileExistsError:
                _clear(run, path, mine)
        raise MismatchError(f"{run}: another process has just begun here; give another --out, or wait for it")
    finally:
        mine.unlink()


def _name(mine: Path, path: Path) -> None:
    """Gives our lock its name; raises FileExistsError if there is already a lock."""
    try:
        os.link(mine, path)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        with path.open("xb") as file:
            file.write(mine.read_bytes())


def _clear(run: Path, path: Path, mine: Path) -> None:
    """Removes a lock whose owner has ended; raises MismatchError if it has not."""
    try:
        owner: RunOwner | None = parse(RunOwner, read_regular(path), str(path))
        # Both times are of the file system, so the clocks of two hosts need not agree.
        silence = mine.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return
    except ShardError:
        owner, silence = None, SILENCE
    if owner is not None and not owner.is_dead and silence < SILENCE:
        raise MismatchError(
            f"{run}: {owner} is writing into this folder; wait for it, stop it, or give another --out"
        )
    path.unlink(missing_ok=True)


def _beat(path: Path, ended: threading.Event) -> None:
    """Touches the lock every BEAT seconds."""
    while not ended.wait(BEAT):
        with suppress(OSError):
            os.utime(path)
