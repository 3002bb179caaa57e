"""Side tasks: pictures, logs, progress. If one fails, the run continues without it.

The reasons are in docs/decisions/0072-side-tasks.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from shards.program.console import say

T = TypeVar("T")


class SideTask:
    """One side task; its first failure is reported, and then it is not tried again.

    >>> picture = SideTask("picture.png")
    >>> picture.do(lambda: 1 / 0), picture.failed
    (None, True)
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.failed = False

    def do(self, act: Callable[[], T]) -> T | None:
        """The result of `act`; None if it fails, or if this task has failed before."""
        if self.failed:
            return None
        try:
            return act()
        # Libraries for pictures and logs raise any kind of error, and none may end hours of training.
        # Ctrl-C and signals are not of class Exception, so they pass.
        except Exception as error:
            self.failed = True
            reason = " ".join(str(error).split()) or type(error).__name__
            say(f"{self.name}: failed ({reason}); the work goes on without it")
            return None
