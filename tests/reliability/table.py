"""Writes the tables of docs/reliability.md.

    python tests/reliability/table.py

The first is of kinds of faults: what was wrong before, what happens now. The others are in `results/`, where
the scripts of this folder put their figures.

*wrong before*: some faults of public bug reports were made into scripts; this many of them failed with a
version of November 2026. *tests*: tests that fail if the fault comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from result import read

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
END = "<!-- end of table -->"


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what happens now, how many that were tried went wrong before, and its tests."""

    name: str
    now: str
    before: str
    tests: tuple[str, ...]


KINDS = (
    Kind(
        "unreadable folders, circular links, file names that are not UTF-8 or differ only in case",
        "a build lists what it could not read; each link is followed once; no two keys differ only in case",
        "2 of 2",
        ("ingest/building/test_inputs", "ingest/building/test_plan"),
    ),
    Kind(
        "runs that were killed while they wrote, files still being written, copies of a file in two splits",
        "such a run is left out, and the message names the frame; a file that changes during a build ends "
        "the part; copies are reported or refused",
        "3 of 3",
        ("ingest/building/test_hidden_faults", "ingest/building/test_checks"),
    ),
    Kind(
        "two processes or containers in one run folder, an incomplete checkpoint, a disk without locks",
        "the second process is refused, and the message names the first; a run resumes from the checkpoint "
        "before the incomplete one; files of other origin are kept",
        "5 of 5",
        ("walrus/training/test_run_lock", "walrus/training/test_run_checkpoint"),
    ),
    Kind(
        "errors of pictures, logs, progress bar, cache or home folder",
        "the error is reported once, and the work continues",
        "2 of 2",
        ("shards/program/test_side_task", "walrus/training/test_log", "shards/test_cache"),
    ),
    Kind(
        "full or read-only disk, quota, no permission, closed pipe, lost scheduler, ranks without connection",
        "one line that says what to do, the documented exit code, no Python traceback",
        "3 of 3",
        (
            "ingest/test_bad_folders",
            "pipelines/test_bad_places",
            "pipelines/test_forecast",
            "shards/program/test_console",
            "ingest/building/test_cluster",
        ),
    ),
    Kind(
        "too little memory, disk space, open files or time",
        "checked before the first step; `walrus-ingest doctor` and `walrus-pretrain --doctor` print it",
        "1 of 1",
        ("pipelines/test_preflight", "shards/program/test_cgroup"),
    ),
    Kind(
        "a command with nothing to do",
        "it writes nothing, so it works on a read-only root",
        "1 of 1",
        ("ingest/building/test_finish", "shards/test_convert"),
    ),
    Kind(
        "signals of a scheduler, a parent that is killed",
        "exit code 75 at any moment, with a checkpoint; no rank keeps running",
        "",
        ("shards/program/test_signals", "pipelines/test_launch"),
    ),
    Kind(
        "flipped bits, replaced or rebuilt files",
        "every byte has a checksum that readers check; the message names a damaged record, and a new build "
        "replaces it",
        "1 of 1",
        ("reliability/test_flips", "walrus/test_checkpoint", "shards/test_verify"),
    ),
    Kind(
        "malicious links, secrets in URLs, another package called `walrus`",
        "nothing is written through a link, no secret is printed, the other package is reported",
        "3 of 3",
        ("test_security", "shards/test_remote", "shards/program/test_own_packages"),
    ),
    Kind(
        "data of earlier versions",
        "they are read; a newer format is refused",
        "",
        ("shards/test_old_formats",),
    ),
    Kind(
        "hostile files, servers and models",
        "they are refused before memory is allocated, in bounded time; a report runs no script from a file",
        "",
        ("hostile/test_hostile_datasets", "hostile/test_hostile_models", "hostile/test_pages_in_a_browser"),
    ),
)


def kinds() -> str:
    """The table of kinds as Markdown."""
    lines = ["| kind | wrong before | now | tests |", "|---|---|---|---|"]
    for kind in KINDS:
        links = ", ".join(f"[{Path(test).name}](../tests/{test}.py)" for test in kind.tests)
        lines.append(f"| {kind.name} | {kind.before or 'not tried'} | {kind.now} | {links} |")
    return "\n".join(lines)


def with_tables(page: str) -> str:
    """The page with each table as it is now, between the comments that name it."""
    tables = {"kinds": kinds()} | {path.stem: read(path).markdown for path in sorted(RESULTS.glob("*.json"))}
    for name, table in tables.items():
        begin = f"<!-- {name}: written by tests/reliability/table.py -->"
        before, rest = page.split(begin)
        page = f"{before}{begin}\n\n{table}\n\n{END}{rest.split(END, 1)[1]}"
    return page


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
