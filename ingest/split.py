"""Assigns trajectories to splits: some are held out by name or parameter, the others are divided by shares.

If the folder or the name of a file states its split, that decides, unless the recipe holds the trajectory
out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator
from pydantic_core import ArgsKwargs

from ingest.name_pattern import SPLIT_PART
from shards.schema import SPLITS, Split, checked

# The relative tolerance of parameters: recipes state decimals, some files store float32.
SAME = 1e-6


@checked
class SplitRule:
    """Shares of the splits for files without splits: rows in order, train first, test last, each at least
    one.

    Whole numbers are the rows of the published release. They are used as shares of their sum, so that part of
    the release is split in the same proportion.

    >>> SplitRule(train=700, valid=200, test=100).shared_out(5)
    ['train', 'train', 'train', 'valid', 'test']
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
        are_counts = all(type(value) is int for value in values.values())
        # 1, 0 and 0 are shares as well as counts.
        if not are_counts or sum(values.values()) <= 1:
            return given
        return {name: count / sum(values.values()) for name, count in values.items()}

    @model_validator(mode="after")
    def _sums_to_one(self) -> SplitRule:
        if min(self.train, self.valid, self.test) < 0 or abs(self.train + self.valid + self.test - 1) > 1e-9:
            raise ValueError(f"shares {self.train}, {self.valid}, {self.test} must be >= 0 and sum to 1")
        return self

    def shared_out(self, rows: int) -> list[Split]:
        """The split of each of `rows` rows, in order; each share has at least one row if there are 3 rows."""
        valid, test = self._rows(rows, self.valid), self._rows(rows, self.test)
        splits: list[Split] = ["train"] * (rows - valid - test)
        splits += ["valid"] * valid
        splits += ["test"] * test
        return splits

    @staticmethod
    def _rows(rows: int, share: float) -> int:
        least = 1 if share > 0 and rows >= 3 else 0
        return max(round(rows * share), least)

    def __str__(self) -> str:
        shares = zip(SPLITS, (self.train, self.valid, self.test), strict=True)
        return ", ".join(f"{100 * share:.3g} % {split}" for split, share in shares if share)


@checked
class HeldOutRule:
    """Trajectories that are not for training, by a pattern of their file and by values of their parameters.

    If a benchmark validates and tests on the same runs, `splits` names both; the runs are stored twice.
    """

    splits: tuple[Literal["valid", "test"], ...]
    files: str = ""
    scalars: dict[str, tuple[float, ...]] = field(default_factory=dict)

    @model_validator(mode="after")
    def _says_which_and_for_what(self) -> HeldOutRule:
        if not self.splits or len(set(self.splits)) < len(self.splits):
            raise ValueError(f"splits {list(self.splits)}: expected valid, test or both, each once")
        if not self.files and not self.scalars:
            raise ValueError("it selects no trajectories; expected files, scalars or both")
        return self

    def holds(self, place: Path, scalars: dict[str, float]) -> bool:
        """Whether the rule holds out a trajectory of this file with these parameters.

        >>> rule = HeldOutRule(("test",), scalars={"Re": (100.0, 400.0)})
        >>> rule.holds(Path("a.h5"), {"Re": 400.0}), rule.holds(Path("a.h5"), {"Re": 200.0})
        (True, False)
        """
        if self.files and not place.absolute().match(self.files):
            return False
        for name, values in self.scalars.items():
            if name not in scalars or not _is_one_of(scalars[name], values):
                return False
        return True

    def holding_none_of(self, found: Sequence[tuple[Path, dict[str, float]]]) -> tuple[HeldOutRule, ...]:
        """The parts of this rule (one per value of a parameter) that hold out none of these trajectories."""
        if not self._holds_any(found):
            return (self,)
        empty = []
        for name, values in self.scalars.items():
            for value in values:
                part = replace(self, scalars=self.scalars | {name: (value,)})
                if not part._holds_any(found):
                    empty.append(part)
        return tuple(empty)

    def _holds_any(self, found: Sequence[tuple[Path, dict[str, float]]]) -> bool:
        return any(self.holds(place, scalars) for place, scalars in found)

    def __str__(self) -> str:
        values = []
        for name, wanted in self.scalars.items():
            either = " or ".join(f"{each:g}" for each in wanted)
            values.append(f"{name} {either}")
        which = [f"files {self.files}"] if self.files else []
        if values:
            which.append(" and ".join(values))
        return f"{' with '.join(which)}: {' and '.join(self.splits)}"


def _is_one_of(value: float, values: tuple[float, ...]) -> bool:
    return any(math.isclose(value, each, rel_tol=SAME) for each in values)


def held_out_for(rules: Sequence[HeldOutRule], place: Path, scalars: dict[str, float]) -> tuple[Split, ...]:
    """The splits for which a trajectory is held out; empty if it is not."""
    named: set[Split] = set()
    for rule in rules:
        if rule.holds(place, scalars):
            named.update(rule.splits)
    return tuple(split for split in SPLITS if split in named)


def split_names_fault(words: Mapping[Split, str], stored: Sequence[str], in_files: bool) -> str | None:
    """What is wrong with the words of splits in the names of arrays, if anything.

    `in_files` says that `files` has named parts.

    >>> split_names_fault({"train": "tr"}, ["u_{split}"], in_files=False)
    'split_names: expected two or more splits, each with a word of its own'
    """
    if not words:
        return None
    if len(set(words.values())) < max(2, len(words)):
        return "split_names: expected two or more splits, each with a word of its own"
    if not any(f"{{{SPLIT_PART}}}" in name for name in stored):
        return "split_names: expected {split} in the name of an array; it would be ignored"
    if in_files:
        return "split_names: expected no named parts in files; name the folders of splits there instead"
    return None
