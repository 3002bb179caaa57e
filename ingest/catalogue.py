"""Finds recipes: by a name in the catalogue, or in the TOML file of a user."""

from __future__ import annotations

import warnings
from importlib import resources
from pathlib import Path

from ingest.recipe import Recipe
from shards.errors import RenamedWarning
from shards.program.settings import Tables, make, named_file, override, read_toml

# Earlier names of sources, and their present names.
RENAMED_SOURCES = {"hdf5": "arrays"}


def catalogue() -> dict[str, Path]:
    """Name to recipe file of every system in the catalogue."""
    folder = resources.files("ingest") / "catalog"
    return {
        Path(str(entry)).stem: Path(str(entry))
        for entry in sorted(folder.iterdir(), key=str)
        if entry.name.endswith(".toml")
    }


def find_recipe(name_or_path: str, assignments: tuple[str, ...] = ()) -> Recipe:
    """The recipe of a name in the catalogue or of a TOML file; raises SettingsError if there is none.

    >>> find_recipe("shear_flow", ("title=Mine",)).title
    'Mine'
    """
    path = named_file(name_or_path, catalogue(), "recipe")
    return make(Recipe, _with_present_source(override(read_toml(path), assignments), path), str(path))


def _with_present_source(tables: Tables, path: Path) -> Tables:
    """The tables of a recipe; an earlier name of a source is replaced, with a warning."""
    source = tables.get("source")
    if not isinstance(source, str) or source not in RENAMED_SOURCES:
        return tables
    present = RENAMED_SOURCES[source]
    warnings.warn(f'{path}: source = "{source}" is now called "{present}"', RenamedWarning, stacklevel=3)
    return tables | {"source": present}
