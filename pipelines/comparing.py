"""Comparison of two evaluated runs: one page, and a table for the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.preflight import require_writable
from walrus.evaluation.comparison import compare, comparison_table, read_evaluated
from walrus.evaluation.comparison_report import write_comparison

# A page with one picture.
PAGE_BYTES = 10**6


@dataclass(frozen=True)
class Compared:
    """What was found, for the command to print."""

    document: dict[str, Any]
    text: str


def compare_runs(runs: tuple[Path, Path], out: Path) -> Compared:
    """Writes the page into `out`.

    Raises MismatchError where a run has no scores, or the two were evaluated on other trajectories.
    """
    comparison = compare(*read_evaluated(runs))
    require_writable(out, PAGE_BYTES)
    page = write_comparison(out, comparison)
    document = comparison.document | {"page": str(page)}
    return Compared(document, f"{comparison_table(comparison)}\npage: {page}")
