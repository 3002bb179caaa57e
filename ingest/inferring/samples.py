"""Recognises pairs of an input and an output, as operators are learned from: no series of one array.

See docs/decisions/0153.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ingest.contents.axis_names import space_name
from ingest.contents.listing import ArrayInfo
from shards.program.console import printable

# What arrays of operator learning sets are called; Darcy flow: a and u, coeff and sol, nu and tensor.
_INPUT = re.compile(
    r"a|x|in|inputs?|coeff?s?|coefficients?|kappa|perm(eability)?|nu|features?|conductivity|x_?data",
    re.IGNORECASE,
)
_OUTPUT = re.compile(
    r"u|y|out|outputs?|sols?|solutions?|p|pressure|targets?|labels?|tensor|head|y_?data", re.IGNORECASE
)
# Names that are of pairs for sure, whatever the number of axes.
_LEARNT = re.compile(r"x|y|in|out|(in|out)puts?|features?|targets?|labels?|[xy]_?data", re.IGNORECASE)
# The inputs of DeepONet, and of the files that its tutorials use: X0 is that of the branch, X1 of the trunk.
_BRANCH = re.compile(r"(x[-_]?)?branch([-_]?(in|inputs?|data|x|u))?|x[-_]?0", re.IGNORECASE)
_TRUNK = re.compile(r"(x[-_]?)?trunk([-_]?(in|inputs?|data|x|y))?|x[-_]?1", re.IGNORECASE)
_SPLIT = re.compile(r"[-_]?(train|test|valid|val|tr|te)(?=[01]?$)", re.IGNORECASE)


def name_pairs(words: Iterable[str]) -> bool:
    """Whether words are names of inputs and outputs, both of them.

    >>> name_pairs(["x_train", "y_train"]), name_pairs(["inputs", "times"]), name_pairs(["u", "v"])
    (True, False, False)
    """
    plain = [_SPLIT.sub("", word) for word in words]
    known = all(_LEARNT.fullmatch(word) for word in plain)
    return known and any(map(_INPUT.fullmatch, plain)) and any(map(_OUTPUT.fullmatch, plain))


def pairs(arrays: Iterable[ArrayInfo]) -> str:
    """Why two arrays [sample, x, y] are no series, where their names say input and output."""
    sound = [each for each in arrays if each.fault is None]
    of_network = _branch_and_trunk(sound)
    if of_network:
        return of_network
    large = [each for each in sound if not each.pattern and _may_be_samples(each)]
    # Coordinates of each cell, next to a field with more axes.
    large = [each for each in large if not (space_name(each.name) and _is_a_mesh(each, sound))]
    for first in large:
        for second in large:
            if first is second or not _are_samples_alike(first, second):
                continue
            if _INPUT.fullmatch(_plain(first)) and _OUTPUT.fullmatch(_plain(second)):
                names = f"{printable(first.path)} and {printable(second.path)}"
                return (
                    f"{names} look like {first.values[0]} pairs of an input and an output, as operators are "
                    "learned from; expected states that follow each other in time in one array; join what is "
                    "past and future of a run (numpy.concatenate), or if the first axis is time, keep the "
                    "arrays; then save a list of times t too"
                )
    return ""


def _branch_and_trunk(arrays: list[ArrayInfo]) -> str:
    """Why the inputs of an operator network are no series, where names say which they are."""
    tables = [each for each in arrays if len(each.values) == 2 and not each.pattern]
    branch = next((each for each in tables if _BRANCH.fullmatch(_plain(each))), None)
    trunk = next((each for each in tables if _TRUNK.fullmatch(_plain(each))), None)
    if branch is None or trunk is None:
        return ""
    return (
        f"{printable(branch.path)} and {printable(trunk.path)} look like the inputs of the branch and the "
        "trunk of an operator network: functions, and the points where others are known; expected states "
        "that follow each other in time; write the solution of each function over time and space, [n, t, x]"
    )


def _are_samples_alike(first: ArrayInfo, second: ArrayInfo) -> bool:
    """Whether shapes are equal; the future may have more frames than the past, which names say for sure."""
    one, other = first.values, second.values
    if one == other or len(one) != len(other) or len(one) < 3:
        return one == other
    differing = sum(a != b for a, b in zip(one, other, strict=True))
    is_learnt = _LEARNT.fullmatch(_plain(first)) and _LEARNT.fullmatch(_plain(second))
    return bool(is_learnt) and one[0] == other[0] and differing == 1


def _is_a_mesh(each: ArrayInfo, others: Iterable[ArrayInfo]) -> bool:
    """Whether another array ends with the lengths of this one, behind those of time or trajectories."""
    axes = len(each.lengths)
    return any(len(other.lengths) > axes and other.lengths[-axes:] == each.lengths for other in others)


def _may_be_samples(each: ArrayInfo) -> bool:
    """Whether an array is large, and not more than a few axes where its name is also that of a field."""
    most = 6 if _LEARNT.fullmatch(_plain(each)) else 3
    return 2 <= len(each.values) <= most


def _plain(each: ArrayInfo) -> str:
    """The name without the word of a split."""
    return _SPLIT.sub("", each.name)
