"""The figures of a script of this folder: printed, kept as JSON, and shown in docs/reliability.md.

    python tests/reliability/flips.py 1000 --json tests/reliability/results/flips.json
    python tests/reliability/table.py

The second command writes the tables of the page from the files of the first.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

Cell = str | int | float


@dataclass(frozen=True)
class Result:
    """A table, with the command and the day that it is from."""

    command: str
    date: str
    columns: list[str]
    rows: list[list[Cell]]

    @classmethod
    def of_now(cls, columns: list[str], rows: list[list[Cell]]) -> Result:
        """The table of this process."""
        script, *words = sys.argv
        if "--json" in words:
            place = words.index("--json")
            words = words[:place] + words[place + 2 :]
        command = " ".join([Path(script).name, *words])
        return cls(command, f"{datetime.now(UTC):%Y-%m-%d}", columns, rows)

    @property
    def text(self) -> str:
        """The table for a terminal."""
        lines = [[str(cell) for cell in row] for row in [self.columns, *self.rows]]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        shown = []
        for first, *others in lines:
            numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
            shown.append("  ".join([first.ljust(widths[0]), *numbers]).rstrip())
        return "\n".join(shown)

    @property
    def markdown(self) -> str:
        """The table for a page, and where it is from."""
        lines = [
            _markdown_row(self.columns),
            "|" + "---|" * len(self.columns),
            *map(_markdown_row, self.rows),
        ]
        table = "\n".join(lines)
        return f"{table}\n\n`{self.command}` on {self.date}."


def _markdown_row(cells: Sequence[Cell]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def read(path: Path) -> Result:
    return Result(**json.loads(path.read_text(encoding="utf-8")))


def show(result: Result, path: Path | None) -> None:
    """Prints a result, and writes it where the command names a file."""
    print(result.text)
    if path is not None:
        path.write_text(_json(result), encoding="utf-8")


def _json(result: Result) -> str:
    """A line per row, so that a change shows what has changed."""
    head = {name: value for name, value in asdict(result).items() if name != "rows"}
    rows = ",\n  ".join(json.dumps(row) for row in result.rows)
    return f'{json.dumps(head)[:-1]}, "rows": [\n  {rows}\n]}}\n'


def arguments(description: str | None) -> argparse.ArgumentParser:
    """A parser that knows --json."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there")
    return parser
