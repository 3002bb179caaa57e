"""Sorts names with numbers in them: part_2 before part_10, the same on every machine."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ingest.name_numbers import step_number
from ingest.name_pattern import STEP, NamePattern

Key = tuple[tuple[tuple[int, str], ...], str]


def natural(name: str) -> Key:
    """A key for sorting names, by the value of numbers in them.

    >>> sorted(["part_10", "part_2"], key=natural)
    ['part_2', 'part_10']
    """
    return tuple(map(_piece, re.split("([0-9]+)", name))), name


def steps_in(names: Iterable[str], path: str) -> dict[str, str]:
    """The names that match a path with `{step}`, with their steps, in the order of the steps.

    >>> steps_in(["b/10", "b/9", "c/9"], "b/{step}")
    {'b/9': '9', 'b/10': '10'}
    """
    found = NamePattern(path).matches(names)
    ordered = sorted(found, key=lambda name: (step_number(found[name][STEP]), natural(name)))
    return {name: found[name][STEP] for name in ordered}


def _piece(piece: str) -> tuple[int, str]:
    """The key of a word or a number; a number counts by its length and then its digits, so it may be long."""
    digits = piece.lstrip("0") if piece.isdecimal() else ""
    return (len(digits), digits) if piece.isdecimal() else (0, piece)
