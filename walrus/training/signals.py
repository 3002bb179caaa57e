"""Being told to stop: by SIGTERM, as every scheduler does in the end, or SIGUSR1, as SLURM can before that."""

from __future__ import annotations

import os
import signal
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
    """Within it these signals raise StoppedError: for work of one process that is done again from its beginning."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise StoppedError(f"told to stop by {signal.Signals(number).name}; the same command does the rest")

    with _handling(stop):
        yield


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
