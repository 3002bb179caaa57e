"""Stop signals: SIGTERM from any scheduler, SIGUSR1 as the early warning of SLURM."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from shards.errors import StoppedError

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Notice:
    """The last signal that came, if any."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)


@contextmanager
def noticed() -> Iterator[Notice]:
    """Within it these signals are noted instead of ending the process."""
    notice = Notice()
    with _handling(notice):
        yield notice


@contextmanager
def stopping() -> Iterator[None]:
    """Within it these signals raise StoppedError: for work that is repeated from its beginning."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise StoppedError(f"told to stop by {signal.Signals(number).name}; the same command does the rest")

    with _handling(stop):
        yield


# Number of prctl(2) that sets the signal a process gets when its parent ends.
PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Has this process get SIGTERM when process `parent`, which started it, ends in whatever way.

    Linux does that itself; elsewhere a thread looks every second.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    else:
        threading.Thread(target=_await_end, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        # It has ended already.
        os.kill(os.getpid(), signal.SIGTERM)


def _await_end(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


@contextmanager
def passed_on(processes: Sequence[int]) -> Iterator[None]:
    """Within it these signals go to the processes of these ids, which note them."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, number)

    with _handling(pass_on):
        yield
