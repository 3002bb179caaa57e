"""Prints the table of kinds of faults in docs/reliability.md: what was wrong before, what happens now.

    python tests/reliability/table.py

*wrong before*: of the faults of public bug reports that were made into a script each, how many a version of
November 2026 showed. *held by*: tests that fail where it is not so any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """A kind of fault: what happens now, how many that were tried went wrong before, and its tests."""

    name: str
    now: str
    before: str
    tests: tuple[str, ...]


KINDS = (
    Kind(
        "folders that cannot be read, links in circles, names that are no text",
        "a build names what it did not look at; links are followed once",
        "2 of 2",
        ("ingest/building/test_inputs",),
    ),
    Kind(
        "runs that were killed while they wrote, files still written, copies of a file in two splits",
        "the run is left out with its frame; a file that changes ends its part; copies are reported or "
        "refused",
        "3 of 3",
        ("ingest/building/test_hidden_faults", "ingest/building/test_checks"),
    ),
    Kind(
        "two processes in one run folder, an incomplete checkpoint, a disk without locks",
        "the second one is refused and says who holds the folder; the run goes on from the checkpoint "
        "before; what is not ours stays",
        "5 of 5",
        ("walrus/training/test_run_lock", "walrus/training/test_run_checkpoint"),
    ),
    Kind(
        "pictures, logs, progress, cache, home folder",
        "one note, and the work goes on",
        "2 of 2",
        ("shards/program/test_side_task", "walrus/training/test_log", "shards/test_cache"),
    ),
    Kind(
        "full or read-only disk, permission, closed pipe, lost scheduler, ranks that do not meet",
        "one line with the cure, the documented exit code, no trace of Python",
        "3 of 3",
        ("pipelines/test_bad_places", "shards/program/test_console", "ingest/building/test_cluster"),
    ),
    Kind(
        "too little memory, disk, handles or time",
        "asked before the first step; `walrus-ingest doctor` and `walrus-pretrain --doctor` print it",
        "1 of 1",
        ("pipelines/test_preflight", "shards/program/test_cgroup"),
    ),
    Kind(
        "a command with nothing to do",
        "writes nothing, also on a read-only root",
        "1 of 1",
        ("ingest/building/test_finish", "shards/test_convert"),
    ),
    Kind(
        "signals of a scheduler, a parent that is killed",
        "exit code 75 at any moment, with a checkpoint; no rank is left over",
        "",
        ("shards/program/test_signals", "pipelines/test_launch"),
    ),
    Kind(
        "flipped bits, exchanged or rebuilt files",
        "every byte has a checksum that readers check; a damaged record is named, and a rebuild heals it",
        "1 of 1",
        ("reliability/test_flips", "walrus/test_checkpoint", "shards/test_verify"),
    ),
    Kind(
        "planted links, secrets in URLs, another package called `walrus`",
        "nothing is written through a link, no secret is printed, the other package is noticed",
        "3 of 3",
        ("test_security", "shards/test_remote", "shards/program/test_own_packages"),
    ),
    Kind("data of earlier versions", "is read; a newer format is refused", "", ("shards/test_old_formats",)),
    Kind(
        "hostile files, servers and models",
        "refused before memory is taken, in bounded time; no script of a file runs in a report",
        "",
        ("hostile/test_hostile_datasets", "hostile/test_hostile_models", "hostile/test_pages_in_a_browser"),
    ),
)


def table() -> str:
    """The table as Markdown."""
    lines = ["| kind | wrong before | now | held by |", "|---|---|---|---|"]
    for kind in KINDS:
        links = ", ".join(f"[{Path(test).name}](../tests/{test}.py)" for test in kind.tests)
        lines.append(f"| {kind.name} | {kind.before or 'not tried'} | {kind.now} | {links} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
