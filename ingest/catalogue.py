"""Finds recipes: by a name in the catalogue, or in the TOML file of a user."""

from __future__ import annotations

import warnings
from importlib import resources
from pathlib import Path

from ingest.recipe import Recipe
from shards.errors import RenamedWarning, SettingsError
from shards.nearest_name import did_you_mean
from shards.program.settings import Tables, make, override, read_toml

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
    known = catalogue()
    path = Path(name_or_path) if name_or_path.endswith(".toml") else known.get(name_or_path)
    if path is None:
        raise SettingsError(
            f"no recipe named {name_or_path}; the catalogue has {', '.join(known)}; or name a .toml file"
            f"{did_you_mean(name_or_path, known)}"
        )
    return make(Recipe, _with_present_source(override(read_toml(path), assignments), path), str(path))


def _with_present_source(tables: Tables, path: Path) -> Tables:
    """The tables of a recipe; an earlier name of a source is replaced, with a warning."""
    source = tables.get("source")
    if not isinstance(source, str) or source not in RENAMED_SOURCES:
        return tables
    present = RENAMED_SOURCES[source]
    warnings.warn(f'{path}: source = "{source}" is now called "{present}"', RenamedWarning, stacklevel=3)
    return tables | {"source": present}
