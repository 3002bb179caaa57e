"""walrus-ingest ls: lists the catalogue, shows one system of it, or lists what is built below a root."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ingest.cli_output import document_of
from shards.program.console import Json, one_line_errors, print_json, print_text, say


def ls_command(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|ROOT", help="A system, to show its recipe; or a folder or URL of built datasets."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the catalogue, or what is built in a root; show one system."""
    with one_line_errors("walrus-ingest ls"):
        if name is None:
            _print_catalogue(as_json=as_json)
        elif _is_root(name):
            _print_datasets(name, as_json=as_json)
        else:
            _print_system(name, as_json=as_json)


def _is_root(name: str) -> bool:
    """Whether a name is a folder or a URL, and neither a system nor a recipe."""
    from ingest.catalogue import catalogue
    from ingest.contents.solvers import templates

    if name in catalogue() or name in templates() or name.endswith(".toml"):
        return False
    return "/" in name or Path(name).is_dir()


def _print_catalogue(*, as_json: bool) -> None:
    """Prints a line per system."""
    from ingest.catalogue import catalogue, find_recipe
    from ingest.recipe import Recipe

    recipes = [find_recipe(name) for name in catalogue()]
    if as_json:
        print_json(document_of(list[Recipe], recipes))
        return
    width = max(len(recipe.name) for recipe in recipes)
    for recipe in recipes:
        print_text(f"{recipe.name:{width}}  {recipe.source:9} {recipe.title}")


def _print_system(name: str, *, as_json: bool) -> None:
    """Prints a recipe of the catalogue or of a file, or the template of a solver."""
    from ingest.catalogue import catalogue, find_recipe
    from ingest.contents.solvers import templates
    from ingest.recipe import Recipe

    if name in templates():
        print_text(templates()[name].read_text(encoding="utf-8").rstrip("\n"))
        return
    recipe = find_recipe(name)
    if as_json:
        print_json(document_of(list[Recipe], [recipe]))
    else:
        print_text(catalogue().get(name, Path(name)).read_text(encoding="utf-8").rstrip("\n"))


def _print_datasets(root: str, *, as_json: bool) -> None:
    """Prints the datasets below a root, one per line, and on stderr the faults of damaged ones."""
    from ingest.inspecting.text_table import table
    from ingest.reporting.overview import HEAD, DatasetOverview, overview_row, overviews

    found = tuple(overviews(root))
    if as_json:
        print_json([document_of(DatasetOverview, each) for each in found])
    elif found:
        print_text("\n".join(table(HEAD, [overview_row(each) for each in found])))
    else:
        build = f"walrus-ingest build RECIPE --from PATH --to {shlex.quote(root)}"
        say(f"{root}: holds no dataset; {build} builds one")
    for each in found:
        if each.fault:
            say(f"damaged: {each.fault}")
