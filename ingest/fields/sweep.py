"""Several axes of trajectories, as in a sweep: each combination is one trajectory (docs/decisions/0144).

Axes: N trajectory, L one of the swept axes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ingest.layout import swept_axis
from shards.errors import SourceError

Value = TypeVar("Value")


@dataclass(frozen=True)
class Sweep:
    """The lengths of the axes n1, n2, ...; the last one varies fastest. Empty for at most one axis n."""

    lengths: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """The number of trajectories, one per combination."""
        return math.prod(self.lengths)

    def place(self, axis: str, row: int) -> int:
        """Where a trajectory is on one of the axes.

        >>> [Sweep((2, 3)).place("n2", row) for row in range(6)]
        [0, 1, 2, 0, 1, 2]
        """
        return int(np.unravel_index(row, self.lengths)[int(axis[1:]) - 1])

    def spread(self, values: Sequence[Value], axis: str, where: str) -> list[Value]:
        """The value [N] of each trajectory, from those [L] along one axis; raises SourceError if L differs.

        >>> Sweep((2, 3)).spread([0.1, 0.2], "n1", "runs.npz:nu")
        [0.1, 0.1, 0.1, 0.2, 0.2, 0.2]
        """
        number = int(axis[1:])
        if number > len(self.lengths):
            raise SourceError(
                f"{where}: no axis {axis}; found {len(self.lengths)} axes n; correct the number of the axis, "
                "or the layout"
            )
        if len(values) != self.lengths[number - 1]:
            raise SourceError(
                f"{where}: {len(values)} values; expected {self.lengths[number - 1]}, as the axis {axis} is "
                "long; correct the number of the axis"
            )
        return [values[self.place(axis, row)] for row in range(self.count)]


# No axis n, or only one.
NO_SWEEP = Sweep()


def sweep_of(lengths: Iterable[tuple[str, dict[str, int]]]) -> Sweep:
    """The sweep of arrays with these places and lengths by axis; raises SourceError if two differ."""
    found: dict[str, int] = {}
    for where, own in lengths:
        for axis, length in own.items():
            if swept_axis(axis) and found.setdefault(axis, length) != length:
                raise SourceError(
                    f"{where}: {length} trajectories along {axis}; other arrays have {found[axis]}; correct "
                    "the layout, or fix the file"
                )
    return Sweep(tuple(found[axis] for axis in sorted(found)))
