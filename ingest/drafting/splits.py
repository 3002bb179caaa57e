"""Drafts what a recipe says of splits: which trajectories the shares divide, and how to hold some out."""

from __future__ import annotations

from pathlib import Path

from ingest.formats.run_files import RunFiles
from ingest.split import SplitRule
from shards.program.console import printable
from shards.schema import split_called

SHOWN = 4


def split_lines(runs: list[RunFiles], folder: Path) -> list[str]:
    """Comments on how to keep trajectories out of training; a CHECK if folders state the split of some
    runs alone.
    """
    lines = ["", f"# Trajectories are divided in order, {SplitRule()}, unless their folder names a split."]
    others = [run.first.relative_to(run.base).as_posix() for run in runs if not _is_in_a_split(run, folder)]
    if 0 < len(others) < len(runs):
        names = ", ".join(others[:SHOWN]) + (", ..." if len(others) > SHOWN else "")
        lines += [
            f"# CHECK: no folder names the split of {len(others)} of {len(runs)} runs ({printable(names)}).",
            "# These are divided. Move them to a folder train, valid or test, or hold them out.",
        ]
    return [
        *lines,
        "# To keep some out of training, select them by file, by parameter, or by both, such as:",
        "#   [[held_out]]",
        '#   splits = ["test"]',
        '#   files = "run_9*.h5"',
        "#   scalars = { Reynolds = [100.0, 200.0] }",
    ]


def _is_in_a_split(run: RunFiles, folder: Path) -> bool:
    """Whether a folder between the given one and the run is called by a split."""
    parents = run.first.relative_to(folder).parts[:-1] if run.first.is_relative_to(folder) else ()
    return any(split_called(name) is not None for name in parents)
