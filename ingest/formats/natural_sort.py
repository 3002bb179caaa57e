"""Sorts names with numbers in them: part_2 before part_10, the same on every machine."""

from __future__ import annotations

import re

Key = tuple[tuple[tuple[int, str], ...], str]


def natural(name: str) -> Key:
    """A key for sorting names, by the value of numbers in them.

    >>> sorted(["part_10", "part_2"], key=natural)
    ['part_2', 'part_10']
    """
    return tuple(map(_piece, re.split("([0-9]+)", name))), name


def _piece(piece: str) -> tuple[int, str]:
    """The key of a word or a number; a number counts by its length and then its digits, so it may be long."""
    digits = piece.lstrip("0") if piece.isdecimal() else ""
    return (len(digits), digits) if piece.isdecimal() else (0, piece)
