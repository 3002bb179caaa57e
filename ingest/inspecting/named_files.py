"""A file and the parts of its path: plain text, and the folders, words, numbers and dates that may differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PartKind = Literal["text", "folder", "word", "number", "parameter", "symbol", "date", "split"]


@dataclass(frozen=True)
class NamePart:
    """A part of a path: its kind, its text, and the name of a parameter."""

    kind: PartKind
    text: str
    name: str = ""


@dataclass(frozen=True)
class NamedFile:
    """A file, and the parts of its path below the folder that is looked through."""

    path: Path
    parts: tuple[NamePart, ...]

    @property
    def family(self) -> tuple[str, ...]:
        """The path without folders and numbers; it is the same for all files of one solver."""
        return tuple(part.text if part.kind == "text" else part.kind for part in self.parts)

    def text(self, at: int) -> str:
        return self.parts[at].text

    def texts(self, places: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.text(at) for at in places)

    def word_before(self, at: int) -> str:
        """The letters before a number: `step` in run1/step_0010.h5."""
        before = self.text(at - 1) if at else ""
        if at > 1 and self.parts[at - 2].kind == "split":
            before = self.text(at - 2) + before
        found = re.search(r"(?<![A-Za-z0-9])([A-Za-z]+)[-_=.#]*$", before)
        return found[1] if found else ""

    def divided(self, at: int, parts: Iterable[NamePart]) -> NamedFile:
        """The same file with these parts in place of one."""
        return NamedFile(self.path, (*self.parts[:at], *parts, *self.parts[at + 1 :]))
