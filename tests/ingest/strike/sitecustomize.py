"""Ends a build at one exact moment of its work on files; every Python with this folder in its path loads
this.

STRIKE_FILES is the folder whose first change starts the count; STRIKE_COUNTER a file that grows by one letter
a moment, of whichever process; STRIKE_AT the moment that is struck, before what it is about to do;
STRIKE_SIGNAL what with, and STRIKE_AIM whom: the group of processes, its leader or the process itself.
"""

import os
import sys
from types import ModuleType

# The call that a moment is the eve of, and its letter.
MOMENTS = {
    **{"open": b"o", "write": b"w", "truncate": b"t", "fsync": b"s", "rename": b"r", "replace": b"r"},
    **{"mkdir": b"m", "unlink": b"u", "rmdir": b"d"},
}


def install() -> None:
    """Counts from the first change below STRIKE_FILES on; before it, nothing is slowed down."""
    files = os.environ["STRIKE_FILES"]
    waiting = True

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal waiting
        if waiting and event in ("open", "os.mkdir") and str(arguments[0]).startswith(files):
            waiting = False
            sys.setprofile(_profile)

    sys.addaudithook(audit)


def _profile(frame: object, event: str, function: object) -> None:
    # Most calls are of Python: of these, nothing more is asked.
    if event != "c_call":
        return
    name = getattr(function, "__name__", "")
    # Not os.write, by which processes talk to each other.
    if name not in MOMENTS or (name == "write" and isinstance(function.__self__, ModuleType)):
        return
    if _count(MOMENTS[name]) == int(os.environ["STRIKE_AT"]):
        aims = {"group": 0, "leader": os.getpgrp(), "self": os.getpid()}
        os.kill(aims[os.environ["STRIKE_AIM"]], int(os.environ["STRIKE_SIGNAL"]))


def _count(letter: bytes) -> int:
    """The number of this moment, from 1 on; the system appends one after the other, and says where."""
    counter = os.open(os.environ["STRIKE_COUNTER"], os.O_WRONLY | os.O_APPEND)
    os.write(counter, letter)
    number = os.lseek(counter, 0, os.SEEK_CUR)
    os.close(counter)
    return number


if "STRIKE_AT" in os.environ:
    install()
