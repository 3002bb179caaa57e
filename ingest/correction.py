"""Boundaries that a recipe states, or corrects if the files are wrong."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from pydantic import model_validator

from shards.schema import AxisName, Boundary, Sides, checked

Side = Literal["wall", "open", "periodic"]
SidesOfAxes = dict[AxisName, tuple[Side, Side]]


def sides_of(boundaries: SidesOfAxes, axis: str) -> Sides | None:
    """The sides (lower, upper) of an axis; None if they are not stated."""
    if axis not in boundaries:
        return None
    lower, upper = boundaries[axis]
    return Boundary[lower.upper()], Boundary[upper.upper()]


def require_periodic_on_both_sides(boundaries: SidesOfAxes) -> None:
    """Raises ValueError for an axis that is periodic on one side only."""
    for axis, sides in boundaries.items():
        if "periodic" in sides and sides[0] != sides[1]:
            raise ValueError(f"axis {axis} is periodic on one side only")


@checked
class Correction:
    """A correction of wrong metadata in the files, and its reason.

    `boundaries` replaces the boundaries that the files state for an axis, `scalars` renames parameters.
    """

    reason: str
    boundaries: SidesOfAxes = field(default_factory=dict)
    scalars: dict[str, str] = field(default_factory=dict)

    @model_validator(mode="after")
    def _periodic_on_both_sides(self) -> Correction:
        require_periodic_on_both_sides(self.boundaries)
        return self

    @model_validator(mode="after")
    def _corrects_something_and_says_why(self) -> Correction:
        if not self.reason.strip():
            raise ValueError("a correction needs its reason")
        if not self.boundaries and not self.scalars:
            raise ValueError("it corrects nothing; expected boundaries or scalars")
        return self

    def sides(self, axis: str) -> Sides | None:
        return sides_of(self.boundaries, axis)
