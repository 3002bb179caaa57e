"""Side tasks: pictures, logs, progress. If one fails, the work goes on without it.

The reasons are in docs/decisions/0072-side-tasks.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from shards.program.console import say

T = TypeVar("T")


class SideTask:
    """One such thing. After its first failure, which is reported, it is tried no more.

    >>> picture = SideTask("picture.png")
    >>> picture.do(lambda: 1 / 0), picture.failed
    (None, True)
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.failed = False

    def do(self, act: Callable[[], T]) -> T | None:
        """The result of `act`; None where it fails, or something of this task has failed before."""
        if self.failed:
            return None
        try:
            return act()
        # Libraries that draw and log raise anything, and no error of theirs is worth hours of training.
        # Ctrl-C and signals are no such errors.
        except Exception as error:
            self.failed = True
            reason = " ".join(str(error).split()) or type(error).__name__
            say(f"{self.name}: failed ({reason}); the work goes on without it")
            return None
