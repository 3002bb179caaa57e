"""Writes a number with its noun, in the singular where it is one."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "file"), counted(2, "trajectory"), counted(1200, "array"), counted(3, "axis")
    ('1 file', '2 trajectories', '1,200 arrays', '3 axes')
    >>> counted(2, "process")
    '2 processes'
    """
    return f"{number:,} {noun if number == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    if noun.endswith("is"):
        return f"{noun[:-2]}es"
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"
