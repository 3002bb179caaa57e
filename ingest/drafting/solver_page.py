"""Makes the page docs/solvers.md from the recipe templates."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.contents.solvers import templates

_HEAD = """\
# Output of solvers

Made by `python -m tests.ingest.solver_page > docs/solvers.md` from the files in `ingest/templates` and the tests of
drafts.

`walrus-ingest inspect FILE` (or `FOLDER`) recognises the output of these programs by the names in the files. With
`--recipe OUT.toml` it drafts a recipe with the names of your files. Each section of this page is a template to compare
your draft with: what the program writes, an example recipe, and the command. `walrus-ingest ls NAME` prints a template.
Sizes, names, boundaries and times in it are examples: read every line. Each template is tested with a file of its
layout.

Some programs need no template: `inspect FOLDER` drafts the table `[blocks]` for blocks on one level (FLASH, GAMER), or
`[tiles]` for one file per process (Cholla). Particles and unstructured meshes are refused; the error names
them. If a format needs to be converted first, the error or the template states the command.

Drafts are tested with files of known values: only the lines that a draft marks are edited, the recipe is
read, and every value is compared with the formula that made the file.

{counts}

`pytest tests/ingest/drafting/test_solver_files.py` and `pytest tests/ingest/layouts` test this. The line to write
says `at_rest = "keep"` for a channel that never changes.
"""  # noqa: E501  the width of the pages


@dataclass(frozen=True)
class SolverTemplate:
    """A template file: its first comments say what the program writes, and which folder to build from."""

    name: str
    title: str
    writes: tuple[str, ...]
    place: str
    recipe: str


def read_template(name: str) -> SolverTemplate:
    """Reads the template with this name.

    >>> read_template("dedalus").place
    'snapshots'
    """
    text = templates()[name].read_text(encoding="utf-8")
    comments = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    title, *writes = comments[: text[: text.index("\nname = ")].count("\n") + 1]
    place = next(line for line in writes if line.startswith("From: "))
    said = tuple(line.removeprefix("Writes: ") for line in writes if line is not place)
    recipe = text[text.index("name = ") :]
    return SolverTemplate(name, title, said, place.removeprefix("From: "), recipe)


def solver_page(counts: str) -> str:
    """The text of docs/solvers.md; `counts` is the table of files with which drafts are tested."""
    lines = [_HEAD.replace("{counts}", counts)]
    for name in templates():
        each = read_template(name)
        command = f"walrus-ingest build {name}.toml --from {each.place} --to data"
        lines += [f"## {each.title}", "", *each.writes, "", "```toml", each.recipe.rstrip("\n"), "```", ""]
        lines += [f"Save it as `{name}.toml` (`walrus-ingest ls {name}`), then", f"`{command}`.", ""]
    return "\n".join(lines).rstrip("\n") + "\n"
