"""Finds the limits of this machine, and which of them would stop a run: the page that `doctor` prints.

Writes nothing and does not import torch.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from textwrap import fill

import typer
from packaging.requirements import Requirement

from shards.cache import writable_folder
from shards.program.byte_size import size_in_words
from shards.program.console import print_result
from shards.program.machine import usable_cores, usable_memory, whole_memory

DISTRIBUTION = "walrus-pde"
# Python, torch and their libraries need 350 MB without any data; a build needs less.
LEAST_MEMORY = 500 * 10**6
# Docker gives 64 MB by default; NCCL needs 10 to 30 MB for each GPU.
SHARED_MEMORY = Path("/dev/shm")
SHARED_BYTES_PER_RANK = 32 * 10**6
# For mapped shards, sockets between ranks, libraries.
LEAST_FILES = 256
LEAST_TEMPORARY = 10**7
LEAST_SECONDS = 60.0
WIDTH = 100


@dataclass(frozen=True)
class Finding:
    """What was found about one subject; `problem` says why a run would stop, and what to do."""

    subject: str
    found: str
    problem: str = ""


def machine_findings(ranks: int = 1) -> list[Finding]:
    """Findings about what every command needs from this machine, for `ranks` processes."""
    return [
        _memory(),
        Finding("processors", str(usable_cores())),
        _shared_memory(ranks),
        _open_files(),
        _temporary(),
        _cache(),
        _time_left(),
    ]


def version_findings() -> list[Finding]:
    """Findings about the versions of Python and of the packages that we need."""
    python = ".".join(map(str, sys.version_info[:3]))
    found, problems = [], []
    for requirement in _requirements():
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            version = "absent"
        found.append(f"{requirement.name} {version}")
        if version == "absent" or not requirement.specifier.contains(version, prereleases=True):
            problems.append(f"{requirement.name} {version}, expected {requirement.specifier}")

    cure = "; install them: pip install --upgrade walrus-pde" if problems else ""
    return [
        Finding(DISTRIBUTION, f"{metadata.version(DISTRIBUTION)} on Python {python}"),
        Finding("packages", ", ".join(found), "; ".join(problems) + cure),
    ]


def folder_finding(subject: str, folder: Path, needed: int = 0, what: str = "") -> Finding:
    """Whether a folder can be created and written, and has room for `needed` bytes; creates nothing."""
    nearest = existing(folder)
    free = shutil.disk_usage(nearest).free
    found = f"{folder}, {size_in_words(free)} free"
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        problem = f"cannot be written, {nearest} does not allow it; choose another folder"
    elif os.statvfs(nearest).f_files and not os.statvfs(nearest).f_favail:
        problem = "the disk allows no more files; remove some, or choose another folder"
    elif free < needed:
        problem = (
            f"{size_in_words(needed)} are needed{what}, the disk has {size_in_words(free)} free; make "
            "room, or choose another folder"
        )
    else:
        problem = ""

    return Finding(subject, found, problem and f"{folder}: {problem}")


def existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it that exists."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())


def page(findings: Sequence[Finding]) -> str:
    """All findings, one per line, then the problems that would stop a run."""
    width = max(len(each.subject) for each in findings) + 2
    lines = [
        fill(f"{each.subject:{width}}{each.found}", WIDTH, subsequent_indent=" " * width) for each in findings
    ]
    stops = [f"{each.subject}: {each.problem}" for each in findings if each.problem]
    return "\n".join([*lines, "", *(stops or ["Nothing found that would stop a run."])])


def print_checkup(findings: Sequence[Finding], *, as_json: bool = False) -> None:
    """Prints the page; exits with code 1 if something would stop a run."""
    print_result(document(findings), page(findings), as_json=as_json)
    if any(each.problem for each in findings):
        raise typer.Exit(1)


def document(findings: Iterable[Finding]) -> dict[str, dict[str, str]]:
    """The findings as the document of --json."""
    return {each.subject: {"found": each.found, "problem": each.problem} for each in findings}


def _requirements() -> list[Requirement]:
    every = map(Requirement, metadata.requires(DISTRIBUTION) or ())
    return [each for each in every if each.marker is None or each.marker.evaluate()]


def _memory() -> Finding:
    """The memory that this process may use, of all that the machine has."""
    ours, whole = usable_memory(), whole_memory()
    found = size_in_words(ours)
    if ours < whole:
        found += f" of {size_in_words(whole)}, by the limit of a container, a job or ulimit -v"
    problem = f"expected {size_in_words(LEAST_MEMORY)} at least; ask for more" if ours < LEAST_MEMORY else ""
    return Finding("memory", found, problem)


def _shared_memory(ranks: int) -> Finding:
    """The memory through which ranks of one machine and workers of a data loader exchange arrays."""
    if not SHARED_MEMORY.is_dir():
        return Finding("shared memory", "none found")
    free, needed = shutil.disk_usage(SHARED_MEMORY).free, ranks * SHARED_BYTES_PER_RANK if ranks > 1 else 0
    problem = ""
    if free < needed:
        problem = (
            f"{SHARED_MEMORY} has {size_in_words(free)} free, {ranks} ranks need {size_in_words(needed)}; "
            "give the container more (docs/launching.md)"
        )
    return Finding("shared memory", f"{size_in_words(free)} free in {SHARED_MEMORY}", problem)


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    problem = ""
    if 0 <= soft < LEAST_FILES:
        problem = f"a process may open {soft} files, expected {LEAST_FILES}; raise it: ulimit -n {hard}"
    return Finding("open files", "no limit" if soft < 0 else f"{soft} for each process", problem)


def _temporary() -> Finding:
    """The folder for files by which ranks find each other, and for documents of remote datasets."""
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        problem = f"{error.strerror}; set TMPDIR to a folder that can be written"
        return Finding("temporary files", "nowhere", problem)
    return folder_finding("temporary files", folder, LEAST_TEMPORARY)


def _cache() -> Finding:
    """The cache of remote shards; commands work without one, so this is never a problem."""
    folder = writable_folder()
    if folder is None:
        return Finding("cache", "a temporary folder, because no home folder can be written")
    return replace(folder_finding("cache", folder), problem="")


def _time_left() -> Finding:
    """The time until the limit of a SLURM job."""
    end = os.environ.get("SLURM_JOB_END_TIME", "")
    if not end.isdigit():
        return Finding("time limit", "none known")
    left = int(end) - time.time()
    problem = f"the job ends in {max(left, 0):.0f} s; ask for more time" if left < LEAST_SECONDS else ""
    return Finding("time limit", f"{max(left, 0) / 3600:.1f} h left of the SLURM job", problem)
