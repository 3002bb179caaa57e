"""Finds all files and folders below a folder: follows links, and reports what cannot be read."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ingest.remote.path import RemotePath, names_below

Identity = tuple[int, int]


@dataclass(frozen=True)
class UnreadablePath:
    """A folder or a link that cannot be read, and the reason."""

    path: Path
    reason: str


@dataclass(frozen=True)
class FileTree:
    """Everything below a folder: files (and pipes, devices, broken links), folders, and faults."""

    files: tuple[Path, ...]
    folders: tuple[Path, ...]
    unreadable: tuple[UnreadablePath, ...]


def walk(root: Path, *, follow_every_link: bool = False) -> FileTree:
    """Finds the tree below `root`, through links too; a folder with several names is entered once.

    Its own name comes before that of a link. With `follow_every_link` it is entered under each of its
    names, as the keys of a store need it; a link to one of its own parent folders is not followed.
    """
    if isinstance(root, RemotePath):
        return _remote_tree(root)
    files: list[Path] = []
    folders: list[Path] = []
    faults: list[UnreadablePath] = []
    entered: set[Identity] = set()
    # Each folder with its parents; folders behind links come after all others.
    waiting: deque[tuple[Path, frozenset[Identity]]] = deque([(root, frozenset())])
    linked: deque[tuple[Path, frozenset[Identity]]] = deque()

    while waiting or linked:
        folder, above = waiting.popleft() if waiting else linked.popleft()
        try:
            identity = _identity(folder)
            if identity in (above if follow_every_link else entered):
                continue
            entered.add(identity)
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            faults.append(UnreadablePath(folder, f"cannot be read ({os.strerror(error.errno or 0)})"))
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
                faults.append(UnreadablePath(path, "a broken link"))

    return FileTree(tuple(files), tuple(folders), tuple(faults))


def _remote_tree(root: RemotePath) -> FileTree:
    """The files that the server lists, and the folders that their paths name."""
    files = tuple(root / name for name in names_below(root))
    above = set(chain.from_iterable(file.parents for file in files))
    folders = sorted(folder for folder in above - {root} if folder.is_relative_to(root))
    return FileTree(files, tuple(folders), ())


def _identity(folder: Path) -> Identity:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link into a folder that cannot be read: entering it reports the reason.
        return True


def escaped(path: Path) -> str:
    """A path as text in which bytes that are not UTF-8 are escaped.

    >>> escaped(Path("caf\\udce9.h5"))
    'caf\\\\xe9.h5'
    """
    return os.fsencode(str(path)).decode("utf-8", "backslashreplace")


def is_utf8(path: Path) -> bool:
    """Whether a name is UTF-8, as cards and indexes need it.

    >>> is_utf8(Path("café.h5")), is_utf8(Path("caf\\udce9.h5"))
    (True, False)
    """
    return escaped(path) == str(path)
