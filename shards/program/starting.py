"""Imported first by each command: a stop signal during the other imports ends it with code 75.

No work has started then, so nothing is lost. A process that only imports a command keeps its own signals.
Closed standard streams are opened before any other file (docs/decisions/0073-signals.md).
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
from types import FrameType

# EX_TEMPFAIL of sysexits.h: try again later.
STOPPED = 75
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
COMMAND = os.path.basename(sys.argv[0])


def _end(number: int, frame: FrameType | None) -> None:
    """Ends the process at once: an interrupted import could catch an exception."""
    line = f"{COMMAND}: stopped by {signal.Signals(number).name}; the same command starts again\n"
    try:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else -1, line.encode())
    finally:
        os._exit(STOPPED)


def _ignore_at_the_end() -> None:
    """Ignores stop signals while Python ends: its handlers are gone, so one would kill a finished command."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _open_closed_streams() -> None:
    """Opens /dev/null for each standard stream that the caller has closed.

    Otherwise the next file that we open gets its number, and a library would print into a shard.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: SIM115  open to the end
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


_open_closed_streams()
if COMMAND.startswith("walrus-"):
    for each in SIGNALS:
        signal.signal(each, _end)
    atexit.register(_ignore_at_the_end)
