"""Shared by all commands: options and output, the machine and its limits, signals, settings, sizes."""

__all__ = [
    "byte_size",
    "cgroup",
    "checkup",
    "console",
    "machine",
    "own_packages",
    "settings",
    "side_task",
    "signals",
    "starting",
]
