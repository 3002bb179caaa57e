"""What this process may use of the machine that it runs on."""

from __future__ import annotations

import os
import sys


def usable_cores() -> int:
    """Cores that are ours: a job scheduler may grant fewer than the machine has."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
