"""Writes lines of TOML for drafts."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.formats.arrays import ArrayFile
from ingest.inferring.frames import FrameReader
from ingest.inferring.inferred_layout import InferredLayout
from shards.program.settings import dump_toml

DECIDE_SIDES = (
    "# DECIDE: the boundaries of each axis, lower and upper: wall, open or periodic; uncomment and correct."
)


@dataclass(frozen=True)
class FileLines:
    """Lines of a draft that come from the arrays and the layout of the file that it describes."""

    reader: FrameReader

    @property
    def arrays(self) -> ArrayFile:
        return self.reader.arrays

    @property
    def layout(self) -> InferredLayout:
        return self.reader.layout


def line(key: str, value: object) -> str:
    """A key and its value as a line.

    >>> line("layout", "t x y")
    'layout = "t x y"'
    """
    return dump_toml({key: value}).strip()


def inline_table(key: str, values: dict[str, object]) -> str:
    """A table on one line.

    >>> inline_table("x", {"lower": 0.0, "upper": 1.0})
    'x = { lower = 0.0, upper = 1.0 }'
    """
    inside = ", ".join(line(name, value) for name, value in values.items())
    return f"{line(key, 0).removesuffix('0')}{{ {inside} }}"
