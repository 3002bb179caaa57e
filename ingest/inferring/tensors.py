"""Finds components by their directions: of tensors in arrays of their own (tau_xx), and in channels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from ingest.contents.axis_names import letter, without_unit
from ingest.inferring.inferred_layout import PlacedArray, Words

# Both directions are written alike: tau_xy and tau_x_y, but not velocity_x, where y ends the word.
_COMPONENT = re.compile(
    r"(?P<stem>.*?)(?P<mark>[-_]?)(?P<row>[xyz])(?P=mark)(?P<column>[xyz])", re.IGNORECASE
)

Pair = tuple[str, str]


@dataclass(frozen=True)
class TensorParts:
    """The arrays that are called as the components of one tensor, by the directions of row and column."""

    stem: str
    parts: dict[Pair, PlacedArray]

    @property
    def is_tensor(self) -> bool:
        """Whether names mix directions: ux and uy alone are those of a vector, xx and yy of meshgrids."""
        mixed = [pair for pair in self.parts if pair[0] != pair[1]]
        return bool(mixed) and len(self.parts) > len(mixed)

    @property
    def stored(self) -> tuple[str, ...]:
        return tuple(each.array.stored for each in self.parts.values())

    def in_order(self, axes: Words) -> tuple[PlacedArray, ...]:
        """The component of each pair of axes, row by row; xy stands for an absent yx. Empty if one lacks."""
        letters = [letter(axis) for axis in axes]
        pairs = list(product(letters, letters))
        found = [self.parts.get(pair) or self.parts.get(pair[::-1]) for pair in pairs]
        return tuple(each for each in found if each is not None) if all(found) else ()


def tensor_parts(placed: Sequence[PlacedArray]) -> list[TensorParts]:
    """The tensors among arrays with one channel in the cells, with equal axes and units, of one group."""
    groups: dict[tuple[str, str, Words, str], dict[Pair, PlacedArray]] = {}
    for each in placed:
        found = _COMPONENT.fullmatch(without_unit(each.array.name))
        if found is None or each.channels != 1 or each.faces:
            continue
        key = (each.array.stored.rpartition("/")[0], found["stem"], each.words, each.array.unit)
        pair = (found["row"].lower(), found["column"].lower())
        groups.setdefault(key, {})[pair] = each
    tensors = [TensorParts(stem, parts) for (_, stem, _, _), parts in groups.items()]
    return [each for each in tensors if each.is_tensor]


def order_of_channels(names: Sequence[str], axes: Words) -> tuple[int, ...]:
    """The channel of each component, row by row, if all channels are called by the directions of a vector or
    of a tensor; empty otherwise.

    >>> order_of_channels(["x", "y"], ("y", "x")), order_of_channels(["xx", "xy", "yy"], ("x", "y"))
    ((1, 0), (0, 1, 1, 2))
    >>> order_of_channels(["rho", "x"], ("x", "y"))
    ()
    """
    called = [name.lower() for name in names]
    letters = [letter(axis) for axis in axes]
    for rank in (1, 2):
        found = []
        for directions in product(letters, repeat=rank):
            either = ("".join(directions), "".join(reversed(directions)))
            found += [called.index(each) for each in either if each in called][:1]
        if len(found) == len(axes) ** rank and set(found) == set(range(len(called))):
            return tuple(found)
    return ()
