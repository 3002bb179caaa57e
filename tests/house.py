"""Measures of the four packages, of the working tree or of any commit.

    python tests/house.py              the working tree
    python tests/house.py 394e489      a commit; several commits are printed side by side

A box is a file or a folder directly below a package. An arrow goes from a box to a box that it imports. A box
that imports no other stands on floor 1; every other box stands one floor above the highest box it imports.
Boxes that import each other in a circle share a floor. Arrows up are the arrows that have to go, the one
with the fewest imports first, until no box stands in a circle.

A function is explained by a docstring or a comment in it; an `__init__` also by the docstring of its class.
Comment share: lines that hold a comment, of all lines that are not blank. Docstring share: lines of
docstrings, of the same. Comprehensions: list, set, dict and generator expressions per 100 lines.
"""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tarfile
import tokenize
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
if __name__ == "__main__":
    # The folder of this file holds folders with the names of our packages.
    sys.path[0] = str(ROOT)

from tests.import_graph import PACKAGES, cycle, floors, imports_of  # noqa: E402

LONG_FUNCTION = 10
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

Arrows = dict[str, set[str]]


@dataclass(frozen=True)
class Boxes:
    """The boxes of one package and the arrows between them."""

    count: int
    floors: int
    arrows: int
    up: int


@dataclass(frozen=True)
class Function:
    """A function where it is defined, and its length in lines."""

    place: str
    lines: int
    explained: bool


@dataclass(frozen=True)
class Text:
    """How the lines of the four packages are used."""

    files: int
    lines: int
    longest_file: int
    comments: int
    docstrings: int
    comprehensions: int
    nested_comprehensions: tuple[str, ...]
    functions: tuple[Function, ...]
    over_100: int
    over_110: int

    @property
    def unexplained(self) -> list[Function]:
        """Functions of more than 10 lines with neither docstring nor comment."""
        return [each for each in self.functions if each.lines > LONG_FUNCTION and not each.explained]


def positional_flags(sources: dict[str, str]) -> list[str]:
    """Functions with a parameter that is True or False and can be given by its place alone."""
    found = []
    for path, text in sources.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, FUNCTIONS):
                parameters = (*node.args.posonlyargs, *node.args.args)
                kinds = {ast.unparse(each.annotation) for each in parameters if each.annotation}
                if "bool" in kinds:
                    found.append(f"{path}:{node.lineno} {node.name}")
    return found


def homonyms(sources: dict[str, str]) -> list[str]:
    """Names of public classes that several classes have."""
    names: Counter[str] = Counter()
    for text in sources.values():
        classes = [node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]
        names.update(name for name in classes if not name.startswith("_"))
    return [name for name, count in names.items() if count > 1]


def sources_of(commit: str | None = None) -> dict[str, str]:
    """Path and text of every module of the four packages; of the working tree where no commit is named."""
    if commit is None:
        files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
        return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in files}
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit, *PACKAGES], cwd=ROOT, capture_output=True, check=True
    )
    sources = {}
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as members:
        for member in members:
            content = members.extractfile(member)
            if content is not None and member.name.endswith(".py"):
                sources[member.name] = content.read().decode()
    return sources


def boxes_of(package: str, modules: Arrows) -> Boxes:
    """Boxes, floors, arrows and arrows up of one package, from the imports of its modules."""
    weights = Counter(
        (_box(module), _box(wanted))
        for module, names in modules.items()
        for wanted in names
        if _is_inside(package, module) and _is_inside(package, wanted) and _box(module) != _box(wanted)
    )
    arrows: Arrows = {_box(module): set() for module in modules if _is_inside(package, module)}
    for start, end in weights:
        arrows[start].add(end)
    whole = sum(map(len, arrows.values()))
    up = 0
    while circle := cycle(arrows):
        steps = zip(circle, circle[1:] + circle[:1], strict=True)
        start, end = min(steps, key=weights.__getitem__)
        arrows[start].discard(end)
        up += 1
    return Boxes(len(arrows), max(floors(arrows).values(), default=0) + 1, whole, up)


def text_of(sources: dict[str, str]) -> Text:
    """Count lines, comments, docstrings, comprehensions and functions."""
    lines = [line for text in sources.values() for line in text.splitlines()]
    trees = {path: ast.parse(text) for path, text in sources.items()}
    comprehensions = []
    for path, tree in trees.items():
        comprehensions += [(path, node) for node in ast.walk(tree) if isinstance(node, COMPREHENSIONS)]
    return Text(
        files=len(sources),
        lines=sum(bool(line.strip()) for line in lines),
        longest_file=max(len(text.splitlines()) for text in sources.values()),
        comments=sum(len(_comment_lines(text)) for text in sources.values()),
        docstrings=sum(_docstring_lines(tree) for tree in trees.values()),
        comprehensions=len(comprehensions),
        nested_comprehensions=tuple(
            f"{path}:{node.lineno}" for path, node in comprehensions if len(node.generators) > 1
        ),
        functions=tuple(each for path, text in sources.items() for each in _functions(path, text)),
        over_100=sum(len(line) > 100 for line in lines),
        over_110=sum(len(line) > 110 for line in lines),
    )


def _is_inside(package: str, module: str) -> bool:
    """Is the module a file of a box? The `__init__` of a package stands for none."""
    return module.startswith(f"{package}.")


def _box(module: str) -> str:
    return ".".join(module.split(".")[:2])


@cache
def _comment_lines(text: str) -> frozenset[int]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return frozenset(token.start[0] for token in tokens if token.type == tokenize.COMMENT)


def _docstring(node: ast.AST) -> ast.Constant | None:
    body = getattr(node, "body", None)
    if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
        value = body[0].value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return value
    return None


def _docstring_lines(tree: ast.Module) -> int:
    found = (_docstring(node) for node in ast.walk(tree))
    return sum((each.end_lineno or each.lineno) - each.lineno + 1 for each in found if each is not None)


def _functions(path: str, text: str) -> Iterator[Function]:
    comments = _comment_lines(text)
    tree = ast.parse(text)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    explained_inits = {each for node in classes if _docstring(node) is not None for each in node.body}
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            last = node.end_lineno or node.lineno
            inside = comments & set(range(node.lineno, last + 1))
            is_known = node.name == "__init__" and node in explained_inits
            explained = _docstring(node) is not None or bool(inside) or is_known
            yield Function(f"{path}:{node.lineno} {node.name}", last - node.lineno + 1, explained)


def table(commits: list[str | None]) -> str:
    """One column per commit: the measures as a Markdown table."""
    columns = [_column(sources_of(commit)) for commit in commits]
    names = [commit or "working tree" for commit in commits]
    rows = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    rows += [f"| {row} | " + " | ".join(column[row] for column in columns) + " |" for row in columns[0]]
    return "\n".join(rows)


def _column(sources: dict[str, str]) -> dict[str, str]:
    modules, text = imports_of(sources), text_of(sources)
    column = {}
    for package in PACKAGES:
        boxes = boxes_of(package, modules)
        name = f"{package}: boxes, floors, arrows, arrows up"
        column[name] = f"{boxes.count}, {boxes.floors}, {boxes.arrows}, {boxes.up}"
    column["cycle of imports between modules"] = " ".join(cycle(modules)) or "none"
    column["files, longest in lines"] = f"{text.files}, {text.longest_file}"
    column["longest function, lines"] = str(max(each.lines for each in text.functions))
    column["comment share"] = f"{text.comments / text.lines:.1%}"
    column["docstring share"] = f"{text.docstrings / text.lines:.1%}"
    share = text.comprehensions / text.lines * 100
    column["comprehensions per 100 lines"] = f"{share:.1f}"
    column["of these with two or more `for`"] = str(len(text.nested_comprehensions))
    column[f"functions over {LONG_FUNCTION} lines without docstring or comment"] = str(len(text.unexplained))
    column["lines over 100, over 110"] = f"{text.over_100}, {text.over_110}"
    return column


if __name__ == "__main__":
    print(table(list(sys.argv[1:]) or [None]))
