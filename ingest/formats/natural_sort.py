"""Sorts names with numbers in them: part_2 before part_10, the same on every machine."""

from __future__ import annotations

import re

Key = tuple[tuple[tuple[int, str], ...], str]


def natural(name: str) -> Key:
    """A key to sort names by: digits count by their value.

    >>> sorted(["part_10", "part_2"], key=natural)
    ['part_2', 'part_10']
    """
    return tuple(map(_piece, re.split("([0-9]+)", name))), name


def _piece(piece: str) -> tuple[int, str]:
    """Words by their letters, numbers by how long they are and then by their digits: no run of digits is too
    long.
    """
    digits = piece.lstrip("0") if piece.isdecimal() else ""
    return (len(digits), digits) if piece.isdecimal() else (0, piece)
