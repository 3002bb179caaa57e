"""Finds small text files next to the data, and of which runs they are.

A name that differs from run to run is written with a part in braces: `{run}.json` next to `{run}.h5`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from ingest.formats.run_files import RunFiles, runs_among
from ingest.formats.side_files import folders_of
from ingest.formats.side_tables import BYTES, SUFFIXES
from ingest.inspecting.folder import data_files
from ingest.inspecting.folder_contents import FolderContents
from ingest.name_pattern import NamePattern, filled, names_parts

# In how many runs names and numbers are looked up, and how many files of a folder are looked at.
MOST_RUNS = 20
MOST_FILES = 10_000
# Names of files that do not hold parameters: schemas, our cards, and those of programs.
OWN = re.compile(r".*schema\.json|card\.json|package(-lock)?\.json|pyproject\.toml")
# Programs, prose, logs, pages and databases: no file of parameters ends so.
NO_PARAMETERS = (
    *(".py", ".ipynb", ".sh", ".bat", ".c", ".cc", ".cpp", ".h", ".hpp", ".cu", ".f", ".f90", ".jl", ".r"),
    *(".m", ".mk", ".md", ".rst", ".tex", ".bib", ".html", ".css", ".svg", ".log", ".out", ".err", ".db"),
    *(".sqlite", ".lock", ".diff", ".patch"),
)
NO_PARAMETERS_NAMED = ("readme", "readme.txt", "license", "license.txt", "makefile", "dockerfile")
# Folders next to the data in which programs keep what they were started with; of Hydra, one file.
CONFIG_FOLDER = re.compile(r"conf(ig(uration)?s?)?|inputs?|param(eter)?s?|settings?|setup", re.IGNORECASE)
HYDRA = ".hydra/config.yaml"
# A line that is in each of our recipes, but not in a file of parameters.
RECIPE = re.compile(rb'^source\s*=\s*"', re.MULTILINE)
# How many bytes show whether a file is text.
FIRST_BYTES = 2**10
T = TypeVar("T")


@dataclass(frozen=True)
class SidePath:
    """A text file next to the data: its name with parts in braces, the runs that have it, each with its file.

    `lacking` is how many runs have none. `reason` says why it is not the file of each run, unless its rows
    name all of them.
    """

    form: str
    runs: tuple[tuple[RunFiles, Path], ...]
    lacking: int
    reason: str = ""

    @property
    def path(self) -> Path:
        return self.runs[0][1]

    @property
    def shown(self) -> str:
        """The name for a reader: that of all runs, or the path of one file."""
        return self.form if len(self.runs) > 1 else self.path.relative_to(self.runs[0][0].base).as_posix()


def spread(items: Sequence[T]) -> Sequence[T]:
    """Some of the items, evenly spread, with the first.

    >>> spread(range(55))
    range(0, 55, 3)
    """
    return items[:: -(-len(items) // MOST_RUNS) or 1]


def runs_of(path: Path, folder: FolderContents | None) -> tuple[list[RunFiles], str]:
    """The runs of a folder, or the one of a file, and a pattern that names all that tells them apart."""
    if folder is None:
        pattern, paths = f"{{run}}{path.suffix}", [path]
    else:
        pattern, paths = NamePattern(folder.pattern).told_apart, data_files(path)
        paths = [each for each in paths if each not in folder.unreadable]
    return runs_among(paths, NamePattern(pattern)), pattern


def side_paths(runs: list[RunFiles], pattern: str) -> Iterator[SidePath]:
    """Yields the text files next to these runs, and in the folders above them that `pattern` names."""
    texts = _TextFiles.of(runs, pattern)
    taken: set[Path] = set()
    for form in texts.forms():
        having = texts.having(form)
        of_one = len(having) == 1 < len(runs)
        if of_one and names_parts(form):
            # It may be called by a run, or be a table of all runs.
            form = f"{form.rpartition('/')[0]}/{having[0][1].name}".removeprefix("/")
            having = texts.having(form)
        paths = {path for _, path in having}
        if not paths or paths <= taken:
            continue
        taken |= paths
        reason = ""
        if of_one:
            reason = f"next to 1 of {len(runs)} runs"
        elif not names_parts(form) and texts.has_several_like(form, having[0][1].parent):
            reason = "one of several; its name does not name the run"
        yield SidePath(form, tuple(having), len(runs) - len(having), reason)


@dataclass(frozen=True)
class _TextFiles:
    """The text files next to runs, by folder and by name; a form is such a name with parts in braces.

    `folders` are those of each run, the nearest first.
    """

    runs: list[RunFiles]
    folders: list[tuple[Path, ...]]
    by_folder: dict[Path, dict[str, Path]]

    @classmethod
    def of(cls, runs: list[RunFiles], pattern: str) -> _TextFiles:
        """Lists the files in the folders of these runs."""
        folders = [folders_of(run.first, pattern) for run in runs]
        return cls(runs, folders, {each: _text_files(each) for each in set(chain.from_iterable(folders))})

    def forms(self) -> list[str]:
        """The names of the files, nearest first; those with parts in braces come first."""
        forms: dict[str, None] = {}
        for run, folders in spread(list(zip(self.runs, self.folders, strict=True))):
            for name in chain.from_iterable(self.by_folder[folder] for folder in folders):
                forms[_with_parts(name, run.files[0].parts)] = None
        return sorted(forms, key=lambda form: not names_parts(form))

    def having(self, form: str) -> list[tuple[RunFiles, Path]]:
        """The runs that have a file of this name, each with the nearest."""
        found = []
        for run, folders in zip(self.runs, self.folders, strict=True):
            name = filled(form, run.files[0].parts)
            nearest = next((folder for folder in folders if name in self.by_folder[folder]), None)
            if nearest is not None:
                found.append((run, self.by_folder[nearest][name]))
        return found

    def has_several_like(self, form: str, folder: Path) -> bool:
        """Whether names of this folder differ from the form in digits alone."""
        names = map(_without_digits, self.by_folder.get(folder, {}))
        return list(names).count(_without_digits(form)) > 1


def _with_parts(name: str, parts: dict[str, str]) -> str:
    """A file name with each part that it repeats in braces, if it is a word or a number in it.

    >>> _with_parts("run003_2d.json", {"out": "003", "seed": "2"})
    'run{out}_2d.json'
    """
    for part, text in sorted(parts.items(), key=lambda each: -len(each[1])):
        before = r"(?<!\d)" if text[:1].isdigit() else r"(?<![A-Za-z0-9{])"
        name = re.sub(rf"{before}{re.escape(text)}(?![A-Za-z0-9}}])", f"{{{part}}}", name, count=1)
    return name


def _without_digits(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def _text_files(folder: Path) -> dict[str, Path]:
    """The small text files of a folder by name, without recipes and files of our own."""
    try:
        entries = sorted(islice(folder.iterdir(), MOST_FILES))
    except OSError:
        return {}
    names = {path.name for path in entries}
    found = {path.name: path for path in entries if not _is_own(path.name, names) and _is_text(path)}
    for path in _in_folders(entries):
        found[path.relative_to(folder).as_posix()] = path
    return found


def _in_folders(entries: list[Path]) -> Iterator[Path]:
    """Yields the files with parameters in folders of a program next to the data."""
    for folder in entries:
        if folder.name == ".hydra" and (folder.parent / HYDRA).is_file():
            yield folder.parent / HYDRA
        elif CONFIG_FOLDER.fullmatch(folder.name) and folder.is_dir():
            files = sorted(islice(folder.iterdir(), MOST_FILES))
            yield from (path for path in files if path.suffix.lower() in SUFFIXES and _is_text(path))


def _is_own(name: str, others: set[str]) -> bool:
    index = name == "index.json" and "card.json" in others
    return index or name.startswith(".") or "{" in name or OWN.fullmatch(name) is not None


def _is_text(path: Path) -> bool:
    """Whether a file is small and of text, and no recipe."""
    try:
        if not path.is_file() or path.stat().st_size > BYTES:
            return False
        with path.open("rb") as file:
            first = file.read(FIRST_BYTES if path.suffix != ".toml" else BYTES)
    except OSError:
        return False
    if path.suffix.lower() in NO_PARAMETERS or path.name.lower() in NO_PARAMETERS_NAMED:
        return False
    if path.suffix.lower() in SUFFIXES:
        return path.suffix != ".toml" or RECIPE.search(first) is None
    # A letter of several bytes may be cut at the end.
    return b"\0" not in first and bool(first) and "�" not in first.decode("utf-8", "replace")[:-3]
