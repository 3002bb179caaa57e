"""Which trajectories train, validate and test: those held out by name or parameter, and how the others are shared out.

Where the place of a file says its split, it is believed, unless the recipe holds the trajectory out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator
from pydantic_core import ArgsKwargs

from shards.schema import SPLITS, Split, checked

# Parameters are written in decimals, and stored as float32 by some.
SAME = 1e-6


@checked
class SplitRule:
    """Shares of a source without splits: rows in order, train first, test last, each at least one row.

    Whole numbers are the rows of the published release, kept as shares of their sum: a smaller release splits
    alike.
    """

    train: float = 0.8
    valid: float = 0.1
    test: float = 0.1

    @model_validator(mode="before")
    @classmethod
    def _counts_are_shares(cls, given: Any) -> Any:
        values = given.kwargs if isinstance(given, ArgsKwargs) else given
        if not isinstance(values, dict) or set(values) != {"train", "valid", "test"}:
            return given
        total = sum(values.values()) if all(type(value) is int for value in values.values()) else 0
        return {name: count / total for name, count in values.items()} if total > 1 else given

    @model_validator(mode="after")
    def _sums_to_one(self) -> SplitRule:
        if min(self.train, self.valid, self.test) < 0 or abs(self.train + self.valid + self.test - 1) > 1e-9:
            raise ValueError(f"shares {self.train}, {self.valid}, {self.test} must be >= 0 and sum to 1")
        return self

    def shared_out(self, rows: int) -> list[Split]:
        """The split of each of these rows: shares in order, each at least one row where there are three."""
        valid, test = (
            max(round(rows * share), int(share > 0 and rows >= 3)) for share in (self.valid, self.test)
        )
        counts: dict[Split, int] = {"train": rows - valid - test, "valid": valid, "test": test}
        return [split for split in SPLITS for _ in range(counts[split])]

    def __str__(self) -> str:
        shares = zip(SPLITS, (self.train, self.valid, self.test), strict=True)
        return ", ".join(f"{100 * share:.3g} % {split}" for split, share in shares if share)


@checked
class HeldOut:
    """Trajectories kept from training: those whose file fits a pattern and whose parameters have one of these values.

    A benchmark that validates and tests on the same runs names both `splits`; they are stored once for each.
    """

    splits: tuple[Literal["valid", "test"], ...]
    files: str = ""
    scalars: dict[str, tuple[float, ...]] = field(default_factory=dict)

    @model_validator(mode="after")
    def _says_which_and_for_what(self) -> HeldOut:
        if not self.splits or len(set(self.splits)) < len(self.splits):
            raise ValueError(f"splits {list(self.splits)}: expected valid, test or both, each once")
        if not self.files and not self.scalars:
            raise ValueError("it holds nothing out; expected files, scalars or both")
        return self

    def holds(self, place: Path, scalars: dict[str, float]) -> bool:
        """Whether a trajectory of this file, with these parameters, is meant."""
        return (not self.files or place.absolute().match(self.files)) and all(
            name in scalars and any(math.isclose(scalars[name], value, rel_tol=SAME) for value in values)
            for name, values in self.scalars.items()
        )

    def holding_none_of(self, found: Sequence[tuple[Path, dict[str, float]]]) -> tuple[HeldOut, ...]:
        """The parts of this rule, a value of a parameter each, that hold out none of these files and parameters."""
        if not any(self.holds(place, scalars) for place, scalars in found):
            return (self,)
        parts = (
            replace(self, scalars=self.scalars | {name: (value,)})
            for name, values in self.scalars.items()
            for value in values
        )
        return tuple(
            part for part in parts if not any(part.holds(place, scalars) for place, scalars in found)
        )

    def __str__(self) -> str:
        values = [
            f"{name} {' or '.join(f'{each:g}' for each in found)}" for name, found in self.scalars.items()
        ]
        which = " with ".join(filter(None, (self.files and f"files {self.files}", " and ".join(values))))
        return f"{which}: {' and '.join(self.splits)}"


def held_out_for(rules: Sequence[HeldOut], place: Path, scalars: dict[str, float]) -> tuple[Split, ...]:
    """The splits that a trajectory is held out for; none where it is not."""
    named = {split for rule in rules if rule.holds(place, scalars) for split in rule.splits}
    return tuple(split for split in SPLITS if split in named)
