"""What a folder of files is: one pattern of names, and what each file holds of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from ingest.inspecting.restarting_times import Restart
from ingest.name_numbers import is_date, parameter_number, step_number
from ingest.name_pattern import PIECE, STEP, NamePattern
from shards.counted import counted

# Suffixes of one format, which a pattern distinguishes: docs/decisions/0186-suffixes-in-any-case.md
_SUFFIXES = ((".h5", ".hdf5", ".hdf"), (".nc", ".nc4", ".cdf"))

Kind = Literal["states", "pieces", "variables", "runs"]
_WORDS: dict[Kind, str] = {
    "states": "one state of a run per file",
    "pieces": "pieces of one run, whose times go on from file to file",
    "variables": "one variable per file, on one grid",
    "runs": "one run per file",
}


@dataclass(frozen=True)
class NamedParameter:
    """A number in the names of files: its name in the pattern, and its text in the first file.

    `is_sure` says that it is called as parameters are: `Re100`, `nu=0.01`; others a person must look at.
    """

    name: str
    text: str
    is_sure: bool = True

    @property
    def value(self) -> float:
        return parameter_number(self.text)

    @property
    def place(self) -> str:
        """The place of the number, as [scalars] of a recipe names it."""
        return f"{{{self.name}}}"


@dataclass(frozen=True)
class FolderContents:
    """The files of a folder as one pattern; `first` represents them, `runs` is the number of runs."""

    kind: Kind
    pattern: str
    first: Path
    files: int
    runs: int
    # Files that the pattern does not take, and whether some of them hold fields; files that it takes,
    # but which hold a state again.
    others: tuple[str, ...] = ()
    others_hold_fields: bool = False
    excluded: tuple[str, ...] = ()
    # Files that cannot be read, each with the reason.
    unreadable: Mapping[Path, str] = field(default_factory=dict)
    # Of variables in files of their own, a file of each, and what these files are called.
    members: tuple[Path, ...] = ()
    variables: tuple[str, ...] = ()
    # Of one state per file, the files of each moment of one run in the order of time, one for each variable.
    series: tuple[tuple[Path, ...], ...] = ()
    # Of states and pieces, the last file of a run.
    last: Path | None = None
    # Files that each hold a tile of the grid of one moment.
    tiles: int = 1
    parameters: tuple[NamedParameter, ...] = ()
    # Of pieces whose times begin again in each, how they go on.
    restart: Restart | None = None
    # Whether the number behind the date in the names may be a time of day as well as a step.
    date_or_step: bool = False
    # What a person must look at.
    doubt: str = ""

    @property
    def states(self) -> int:
        """The number of frames of a run if each file holds a state; otherwise 1."""
        moments = self.files // self.runs // self.tiles // max(1, len(self.members))
        return moments if self.kind == "states" else 1

    @property
    def steps(self) -> tuple[str, ...]:
        """The values of `{step}` in the names of the states of one run."""
        firsts = [moment[0] for moment in self.series] or [self.first]
        pattern = NamePattern(self.pattern)
        found = [pattern.match_end(path.as_posix()) or {} for path in firsts]
        return tuple(parts[STEP] for parts in found if STEP in parts)

    @property
    def others_in_suffix(self) -> tuple[str, ...]:
        """The files that the pattern does not take for their suffix alone: another one of the same format."""
        suffix = Path(self.pattern).suffix
        alike = next((each for each in _SUFFIXES if suffix.lower() in each), ())
        pattern = NamePattern(self.pattern)
        found = {
            name: Path(name).with_suffix(suffix).as_posix()
            for name in self.others
            if Path(name).suffix.lower() in alike
        }
        return tuple(name for name, other in found.items() if pattern.match_end(other) is not None)

    @property
    def counts_on(self) -> bool:
        """Whether the numbers of the states of a run count through all of its pieces."""
        if PIECE not in NamePattern(self.pattern).parts:
            return True
        numbers = list(map(step_number, self.steps))
        return len(numbers) > 1 and all(before <= after for before, after in pairwise(numbers))

    @property
    def dates(self) -> tuple[float, ...]:
        """The dates in the names of the states of a run, in seconds since 1970; none where there are none."""
        return tuple(map(step_number, self.steps)) if all(map(is_date, self.steps)) else ()

    @property
    def dated(self) -> bool:
        """Whether the names of the states differ in dates."""
        return bool(self.dates)

    def without(self, names: set[str]) -> FolderContents:
        """The same without the files of these names among the others."""
        return replace(self, others=tuple(each for each in self.others if Path(each).name not in names))

    @property
    def unread(self) -> tuple[str, ...]:
        """The names of the files that cannot be read, each with the reason."""
        return tuple(f"{path.name} ({reason})" for path, reason in self.unreadable.items())

    @property
    def words(self) -> str:
        """What was found, as a sentence."""
        runs = f" of {self.runs} runs" if self.runs > 1 else ""
        apart = f", {len(self.members)} variables apart" if self.members and self.kind != "variables" else ""
        return f'{counted(self.files, "file")}{runs}, {_WORDS[self.kind]}{apart}: files = "{self.pattern}"'
