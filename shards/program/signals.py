"""Handles stop signals: SIGTERM from any scheduler, SIGUSR1 as the early warning of SLURM.

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


class LastSignal:
    """Remembers the last signal, if there was one."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)


@contextmanager
def noticed() -> Iterator[LastSignal]:
    """Inside this context, stop signals are remembered and do not end the process."""
    notice = LastSignal()
    with _handling(notice):
        yield notice


class _Stop(BaseException):
    """Raised between any two lines, like KeyboardInterrupt; not an Exception, so no handler of errors takes
    it.
    """


class _Stopper:
    """Ends the work at the first signal; while it ends, further signals are ignored.

    A bare `except:` in a library may lose what was raised: the next handler of signals then receives the
    signal again.
    """

    def __init__(self) -> None:
        self.number: int | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.number is None:
            self.number = number
            raise _Stop(f"stopped by {signal.Signals(number).name}; the same command starts again")


@contextmanager
def stopping() -> Iterator[None]:
    """Inside this context a stop signal raises StoppedError; the same command starts the work again."""
    try:
        with _handling(_Stopper()):
            yield
    except _Stop as stopped:
        raise StoppedError(str(stopped)) from None


# The operation of prctl(2) that sets the signal which a process gets when its parent ends.
PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """Makes this process receive SIGTERM when its `parent` (a process id) ends in any way.

    Linux does that; on other systems a thread checks every second.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    else:
        threading.Thread(target=_await_end, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        # The parent has ended already.
        os.kill(os.getpid(), signal.SIGTERM)


def _await_end(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        # Python handles signals only in the main thread.
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        for number, previous in before.items():
            if isinstance(previous, _Stopper) and previous.number == number:
                handler(number, None)
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


class _Postponed:
    """Remembers Ctrl-C; the second one is not held back: the work may wait for a disk that hangs."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.came:
            raise KeyboardInterrupt
        self.came = True


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Inside this context Ctrl-C waits for the end.

    For short work that shares a lock with a thread: left in the middle, the thread may never wake up.
    docs/decisions/0195-ctrl-c-next-to-a-thread.md.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    postponed = _Postponed()
    before = signal.signal(signal.SIGINT, postponed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if postponed.came:
        signal.raise_signal(signal.SIGINT)


class SignalRelay:
    """Passes signals on to processes; signals that come before the processes exist are passed on later."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self.processes: Sequence[int] = ()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.came.append(number)
        self._send(number)

    def to(self, processes: Sequence[int]) -> None:
        """Sends all past and future signals to the processes with these ids."""
        self.processes = processes
        for number in self.came:
            self._send(number)

    def _send(self, number: int) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.kill(process, number)


@contextmanager
def passed_on() -> Iterator[SignalRelay]:
    """Inside this context, stop signals go to the processes of the relay."""
    relay = SignalRelay()
    with _handling(relay):
        yield relay


@contextmanager
def withheld(*numbers: signal.Signals) -> Iterator[None]:
    """Processes started inside this context never get these signals; this process gets them at its end."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
