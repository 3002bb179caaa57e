"""Imported first by each command: a stop signal that comes while the rest is loaded ends it with code 75.

Nothing is begun by then, so nothing is lost. A process that only imports a command keeps its own signals.
Standard streams that are closed are opened, before any other file is.
The reasons are in docs/decisions/0073-signals.md.
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
    """Ends the process without unwinding: an import that is cut in two may catch whatever is raised."""
    line = f"{COMMAND}: stopped by {signal.Signals(number).name}; the same command starts again\n"
    try:
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else -1, line.encode())
    finally:
        os._exit(STOPPED)


def _ignore_at_the_end() -> None:
    """Python gives signals back to the system while it ends: one that came then killed a finished command."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _open_closed_streams() -> None:
    """Opens /dev/null for each standard stream that the caller has closed.

    Otherwise the next file of ours had its number, and what a library prints would be written into a shard.
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
