"""The pages say what is true: links, paths, commands, settings, functions, and the table of the rooms."""

import re
from dataclasses import fields, is_dataclass
from fnmatch import fnmatch
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import get_type_hints

import pytest
from typer.main import get_command

from docs.architecture import BEGIN, END, table
from ingest.recipe import Recipe
from pipelines.recipe import RunRecipe
from tests.import_graph import PACKAGES

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "tests" / "samples" / "README.md"])
FOLDERS = ("ingest", "shards", "walrus", "pipelines", "tests", "docs", ".ci")
COMMANDS = ("ingest", "pretrain", "finetune", "evaluate", "forecast", "convert")
# Pages tell a reader to write these.
TO_BE_WRITTEN = {
    "heat.py",
    "ingest/sources/heat.py",
    "tests/ingest/sources/test_NAME.py",
    "test_NAME.py",
    "NAME.py",
    "0000-name.md",
}
WIDEST = 120

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def prose_and_code(page: Path) -> tuple[str, list[str]]:
    """A page without its code blocks, and the code blocks."""
    text = page.read_text(encoding="utf-8")
    pattern = re.compile(r"^ *```.*?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
    return pattern.sub("", text), pattern.findall(text)


def spans(page: Path) -> list[str]:
    """What stands in backticks, outside code blocks."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose_and_code(page)[0])]


def command_lines(page: Path) -> list[str]:
    """Every line of a code block, and everything in backticks, joined where a line goes on."""
    blocks = [block.replace("\\\n", " ") for block in prose_and_code(page)[1]]
    return [line for block in blocks for line in block.splitlines()] + spans(page)


@cache
def options() -> dict[str, frozenset[str]]:
    """The options of each command, by `walrus-ingest build` and the like."""
    found = {}
    for name in COMMANDS:
        module = import_module("ingest.cli" if name == "ingest" else f"pipelines.{name}")
        command = get_command(module.app)
        parts = {f"walrus-{name} {each}": part for each, part in getattr(command, "commands", {}).items()}
        for title, part in (parts or {f"walrus-{name}": command}).items():
            declared = {option for parameter in part.params for option in parameter.opts}
            found[title] = frozenset(declared | {"--help"})
    return found


@cache
def files() -> frozenset[str]:
    """Path of every file and folder of the repository that a page may name."""
    listed = {path.name for path in ROOT.iterdir()}
    for folder in FOLDERS:
        listed |= {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*")}
    return frozenset(listed)


def setting_of(name: str) -> bool:
    """Does a run recipe have this key, as in `stream.block`?"""
    kind: object = RunRecipe
    for part in name.split("."):
        if not is_dataclass(kind) or part not in {field.name for field in fields(kind)}:
            return False
        kind = get_type_hints(kind)[part]
    return True


@every_page
def test_links_lead_to_files(page):
    text, _ = prose_and_code(page)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link and link[0] != "#"]
    assert [link for link in links if not (page.parent / link.split("#")[0]).exists()] == []


@every_page
def test_paths_exist(page):
    unknown = []
    for span in spans(page):
        words = [word.strip(",;:()'\"") for word in span.split()]
        for word in words:
            path = word.rstrip("/").split("::")[0].split(":")[0]
            inside = path.split("/")[0] in FOLDERS and "/" in path
            by_name = re.fullmatch(r"[\w-]+\.(py|md)", path) and path not in TO_BE_WRITTEN
            placeholder = re.search(r"\b[A-Z]{4,}\b", path.removesuffix(".md")) or path == "tests/..."
            if (
                inside
                and path not in TO_BE_WRITTEN
                and not placeholder
                and not any(fnmatch(each, path) for each in files())
            ):
                unknown.append(path)
            if by_name and not any(each.split("/")[-1] == path for each in files()):
                unknown.append(path)
    assert unknown == []


@every_page
def test_scripts_in_commands_exist_and_know_their_options(page):
    for line in command_lines(page):
        for script, rest in re.findall(r"python\d? ((?:tests|docs)/[\w/]+\.py)([^`|]*)", line):
            assert script in files(), line
            text = (ROOT / script).read_text(encoding="utf-8")
            wanted = re.findall(r"(?<!\S)--[a-z][\w-]*", rest.split("  ")[0])
            assert [option for option in wanted if f'"{option}"' not in text] == [], line


@every_page
def test_commands_and_their_options_exist(page):
    for line in command_lines(page):
        for name, rest in re.findall(r"\b(walrus-[a-z]+)\b([^`|;]*)", line):
            words = rest.split("#")[0].split()
            if not words or name.removeprefix("walrus-") not in COMMANDS:
                continue
            title = f"{name} {words[0]}" if name == "walrus-ingest" else name
            if name == "walrus-ingest" and not re.fullmatch(r"[a-z]+", words[0]):
                continue
            assert title in options(), line
            used = {word.split("=")[0].strip("[]'\",)") for word in words if word.startswith(("--", "[--"))}
            assert used <= options()[title], line


@every_page
def test_options_named_alone_exist(page):
    known = frozenset().union(*options().values())
    scripts = "".join(
        (ROOT / path).read_text(encoding="utf-8")
        for path in files()
        if fnmatch(path, "tests/bench/*.py") or fnmatch(path, "docs/*.py")
    )
    for span in spans(page):
        if span.startswith("--"):
            option = span.split()[0].split("=")[0]
            assert option in known or f'"{option}"' in scripts, span


@every_page
def test_make_targets_exist(page):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    used = {name for line in command_lines(page) for name in re.findall(r"^make ([a-z]+)", line)}
    assert used <= set(targets)


@every_page
def test_settings_exist(page):
    sections = {field.name for field in fields(RunRecipe)}
    wanted = [
        name
        for line in command_lines(page)
        for name in re.findall(r"(?<![\w./-])[a-z]+(?:\.[a-z_]\w*)+(?![\w(])", line)
    ]
    assert [name for name in wanted if _is_setting(name, sections) and not setting_of(name)] == []
    known = sections | {field.name for field in fields(Recipe)} | {"model", "key"}
    set_here = [name for line in command_lines(page) for name in re.findall(r"--set ([a-z_]+)[.=]", line)]
    assert set(set_here) <= known


def _is_setting(name: str, sections: set[str]) -> bool:
    section, *rest = name.split(".")
    known_ends = ("json", "toml", "py", "safetensors", "md", "model", "forward")
    return section in sections and section != "model" and rest[-1] not in known_ends


@every_page
def test_lines_are_narrow(page):
    text, blocks = prose_and_code(page)
    lines = [line for line in text.splitlines() if not line.startswith("|")]
    wide = [line for line in lines + "\n".join(blocks).splitlines() if len(line) > WIDEST]
    assert [line for line in wide if not line.startswith("Save it as `")] == []


def test_functions_of_the_walks_are_where_the_page_says():
    page = ROOT / "docs" / "architecture.md"
    rows = re.findall(
        r"^\|[^|]*\| `(\w+)` \| \[[^]]*\]\(([^)]*)\) \|$", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(rows) > 40
    gone = [
        f"{name} of {link}"
        for name, link in rows
        if not re.search(rf"(def|class) {name}\b", (page.parent / link).read_text(encoding="utf-8"))
    ]
    assert gone == []


def test_the_table_of_the_rooms_is_that_of_the_imports():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert text.split(BEGIN)[1].split(END)[0].strip() == table(), "run `make docs`"


def decisions():
    return sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


def test_the_index_has_every_decision_with_its_code():
    index = ROOT / "docs" / "decisions" / "README.md"
    rows = re.findall(
        r"^\| \[(\d{4})\]\((\S+)\) \| [^|]+ \| \d{4}-\d\d-\d\d \| (.*) \| \[(\S+)\]\(\S+\) \|$",
        index.read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert [name for _, name, _, _ in rows] == [path.name for path in decisions()]
    assert [number for number, name, _, _ in rows if not name.startswith(number)] == []
    assert [path for _, _, _, path in rows if path not in files()] == []


def test_every_page_is_in_the_contents_of_the_site():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}
    assert pages == pages & set(index.split())


def test_every_decision_is_named_in_the_code_that_carries_it_out():
    code = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in code)
    # A page that was replaced names the one that is carried out.
    valid = [path for path in decisions() if "Replaced by" not in path.read_text(encoding="utf-8")]
    assert [path.name for path in valid if f"docs/decisions/{path.name[:4]}" not in text] == []
