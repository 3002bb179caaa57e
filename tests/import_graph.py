"""Who imports whom: the modules of the four packages, read from their syntax without importing them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("shards", "ingest", "walrus", "pipelines")


@cache
def modules() -> dict[str, Path]:
    """Dotted name of every module, a room's `__init__` under the name of the room, and its file."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return {module_name(path.relative_to(ROOT).as_posix()): path for path in files}


def module_name(path: str) -> str:
    """The dotted name of a file.

    >>> module_name("ingest/formats/npz.py"), module_name("ingest/formats/__init__.py")
    ('ingest.formats.npz', 'ingest.formats')
    """
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


@cache
def imported_names(text: str) -> frozenset[str]:
    """Every dotted name that a module imports, wherever in it; `from a import b` gives `a` and `a.b`."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"line {node.lineno}: a relative import; name the whole path"
            module = node.module or ""
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def imports() -> dict[str, set[str]]:
    """The modules of ours that each module of the working tree imports."""
    return imports_of({_posix(path): path.read_text(encoding="utf-8") for path in modules().values()})


def imports_of(sources: dict[str, str]) -> dict[str, set[str]]:
    """The modules of ours that each module imports, from the path and the text of each."""
    names = {path: module_name(path) for path in sources}
    known = set(names.values())
    arrows = {}
    for path, text in sources.items():
        found = imported_names(text) & known
        # `from ingest.formats import hdf5` names the room too, which is not meant.
        rooms = {each for each in found if any(other.startswith(f"{each}.") for other in found)}
        arrows[names[path]] = set(found - rooms - {names[path]})
    return arrows


def _posix(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_room(name: str) -> bool:
    return modules()[name].name == "__init__.py"


def room(name: str) -> str:
    """The folder of a module."""
    return name if is_room(name) else name.rpartition(".")[0]


def cycle(arrows: dict[str, set[str]]) -> list[str]:
    """The modules of one cycle of imports, in order; none where there is none."""
    done: set[str] = set()
    for start in arrows:
        path: list[str] = []
        found = _walk(start, arrows, path, done)
        if found:
            return found
    return []


def _walk(name: str, arrows: dict[str, set[str]], path: list[str], done: set[str]) -> list[str]:
    if name in path:
        return path[path.index(name) :]
    if name in done:
        return []
    path.append(name)
    for each in sorted(arrows.get(name, ())):
        found = _walk(each, arrows, path, done)
        if found:
            return found
    done.add(path.pop())
    return []


def floors(arrows: dict[str, set[str]]) -> dict[str, int]:
    """How many modules stand below each one, one on top of the other; 0 imports nothing of ours."""
    heights: dict[str, int] = {}

    def height(name: str) -> int:
        if name not in heights:
            heights[name] = max((height(each) + 1 for each in arrows[name]), default=0)
        return heights[name]

    for name in arrows:
        height(name)
    return heights
