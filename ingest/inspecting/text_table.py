"""Formats text for a terminal: tables, and words with explanations."""

from __future__ import annotations

import shlex
import textwrap

from shards.program.console import printable

# The widest name of a table.
NAME = 36
WIDTH = 100
# The column of explanations, after the words.
MARGIN = 13


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of aligned columns, without empty columns; a row of one cell is a line of its own."""
    printed = [[printable(cell) for cell in row] for row in (head, *rows)]
    filled = [place for place in range(len(head)) if any(row[place] for row in rows if len(row) > 1)]
    widths = [max(len(row[place]) for row in printed if len(row) > 1) for place in filled]
    widths[0] = min(widths[0], NAME)

    lines = []
    for row in printed:
        if len(row) == 1:
            lines.append(row[0])
        else:
            cells = [_cut(row[place], width) for place, width in zip(filled, widths, strict=True)]
            lines.append("  ".join(cells).rstrip())
    return lines


def _cut(cell: str, width: int) -> str:
    return cell.ljust(width) if len(cell) <= width else f"{cell[: width - 1]}…"


def explained(word: str, text: str) -> list[str]:
    """A word, and next to it its explanation in wrapped lines."""
    first, *others = textwrap.wrap(printable(text), WIDTH - MARGIN, break_on_hyphens=False) or [""]
    return [f"{word:{MARGIN}}{first}", *(" " * MARGIN + line for line in others)]


def command_line(word: str, command: str) -> str:
    """A word, and next to it a command on one line, which can be copied."""
    return f"{word:{MARGIN}}{printable(command)}"


def build_command(dataset: str, files: str) -> str:
    """The command that builds a dataset from files, as words of a shell; ROOT is left to the user.

    >>> build_command("own.toml", "two waves.h5")
    "walrus-ingest build own.toml --from 'two waves.h5' --to ROOT"
    """
    return shlex.join(["walrus-ingest", "build", dataset, "--from", files, "--to", "ROOT"])
