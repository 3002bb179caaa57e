"""Stop signals: SIGTERM from any scheduler, SIGUSR1 as the early warning of SLURM.

The reasons are in docs/decisions/0073-signals.md.
"""

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
from shards.program.starting import SIGNALS


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


class _Stop(BaseException):
    """Raised between any two lines, as KeyboardInterrupt is: who handles errors must not take it for one."""


class _Stopper:
    """Ends the work at the first signal; while it ends, further ones are ignored.

    Libraries have a bare `except:` here and there, which loses what was raised: whoever handles signals after
    that is given the signal.
    """

    def __init__(self) -> None:
        self.told: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.told is None:
            self.told = number
            raise _Stop(f"stopped by {signal.Signals(number).name}; the same command continues")


@contextmanager
def stopping() -> Iterator[None]:
    """Within it these signals end the work, which is repeated from its beginning; raises StoppedError."""
    try:
        with _handling(_Stopper()):
            yield
    except _Stop as stopped:
        raise StoppedError(str(stopped)) from None


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
    if threading.current_thread() is not threading.main_thread():
        # Python gives signals to the main thread alone.
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        for number, previous in before.items():
            if isinstance(previous, _Stopper) and previous.told == number:
                handler(number, None)
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


class Relay:
    """Passes signals on to processes; those that came before there were any are passed on when there are."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self.processes: Sequence[int] = ()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.came.append(number)
        self._send(number)

    def to(self, processes: Sequence[int]) -> None:
        """The processes of these ids get what came and what comes."""
        self.processes = processes
        for number in self.came:
            self._send(number)

    def _send(self, number: int) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.kill(process, number)


@contextmanager
def passed_on() -> Iterator[Relay]:
    """Within it these signals go to the processes that the relay is given, which note them."""
    relay = Relay()
    with _handling(relay):
        yield relay


@contextmanager
def withheld(*numbers: signal.Signals) -> Iterator[None]:
    """Processes that are started within it never get these signals; this one gets them afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
