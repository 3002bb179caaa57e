"""Finds all files and folders below a folder: follows links, and reports what cannot be read."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

Identity = tuple[int, int]


@dataclass(frozen=True)
class Unreadable:
    """A folder, or a link, behind which nothing can be seen; and the reason."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Tree:
    """What is below a folder, links followed: files (and pipes, devices, links to nowhere), folders, and
    faults.
    """

    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    unreadable: tuple[Unreadable, ...]


def walk(root: Path, every_name: bool = False) -> Tree:
    """The tree below `root`; a folder that several links name is entered once, by its own name where it has
    one.

    With `every_name` it is entered by each of its names, as the keys of a store need it; a link to a folder
    that it is in ends there.
    """
    files: list[Path] = []
    folders: list[Path] = []
    faults: list[Unreadable] = []
    entered: set[Identity] = set()
    # A folder, and the folders that it is in; those behind links wait until all others are entered.
    waiting: deque[tuple[Path, frozenset[Identity]]] = deque([(root, frozenset())])
    linked: deque[tuple[Path, frozenset[Identity]]] = deque()
    while waiting or linked:
        folder, above = waiting.popleft() if waiting else linked.popleft()
        try:
            identity = _identity(folder)
            if identity in (above if every_name else entered):
                continue
            entered.add(identity)
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            faults.append(Unreadable(folder, f"cannot be read ({os.strerror(error.errno or 0)})"))
            continue
        if folder != root:
            folders.append(folder)
        for entry in entries:
            path = Path(entry.path)
            if _is_folder(entry):
                (linked if entry.is_symlink() else waiting).append((path, above | {identity}))
                continue
            files.append(path)
            if entry.is_symlink() and not os.path.exists(path):
                faults.append(Unreadable(path, "a link to nowhere"))
    return Tree(tuple(files), tuple(folders), tuple(faults))


def _identity(folder: Path) -> Identity:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link into a folder that cannot be read: entering it says why.
        return True


def escaped(path: Path) -> str:
    """A path as text that every encoding holds: bytes that are not UTF-8 are escaped.

    >>> escaped(Path("caf\\udce9.h5"))
    'caf\\\\xe9.h5'
    """
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_utf8(path: Path) -> bool:
    """Is the name text? Cards and indexes hold names as UTF-8.

    >>> is_utf8(Path("café.h5")), is_utf8(Path("caf\\udce9.h5"))
    (True, False)
    """
    return escaped(path) == str(path)
