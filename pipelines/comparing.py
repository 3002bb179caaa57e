"""Compares two evaluated runs: writes a page, and makes a table for the terminal."""

from __future__ import annotations

from pathlib import Path

from pipelines.command_output import CommandOutput
from pipelines.preflight import require_writable
from walrus.evaluation.comparison import compare, comparison_table, read_evaluations
from walrus.evaluation.comparison_report import write_comparison

# Room on the disk for a page with one picture.
PAGE_BYTES = 10**6


def compare_runs(runs: tuple[Path, Path], out: Path) -> CommandOutput:
    """Writes the page into the folder `out`.

    Raises MismatchError if a run has no scores, or the two were evaluated on different trajectories.
    """
    comparison = compare(*read_evaluations(runs))
    require_writable(out, PAGE_BYTES)
    page = write_comparison(out, comparison)
    document = comparison.document | {"page": str(page)}
    return CommandOutput(document, f"{comparison_table(comparison)}\npage: {page}")
