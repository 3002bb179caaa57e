"""Finds a dataset from the words of a command: ROOT/NAME, or NAME (or its recipe) and a root."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from ingest.catalogue import find_recipe
from ingest.recipe import Recipe
from shards.errors import SettingsError
from shards.files import datasets_in, name_one
from shards.remote import Root, is_remote
from shards.urls import below


def dataset_place(dataset: str, root: Root | None) -> tuple[Root, str]:
    """The root (a folder or a URL) and the name of a dataset.

    `dataset` is ROOT/NAME if `root` is None, otherwise a name or a recipe.toml. Raises SettingsError if the
    root is missing or given twice.

    >>> dataset_place("data/shear_flow", None), dataset_place("shear_flow", "data")
    (('data', 'shear_flow'), ('data', 'shear_flow'))
    >>> dataset_place("https://example.org/shards/shear_flow?key=1", None)
    ('https://example.org/shards?key=1', 'shear_flow')
    """
    if root is not None:
        if dataset.endswith(".toml"):
            return root, find_recipe(dataset).name
        if "/" in dataset:
            raise SettingsError(
                f"{dataset}: holds a root, and --root {root} too; give ROOT/NAME, or NAME --root ROOT"
            )
        return root, dataset

    parts = urlsplit(dataset) if is_remote(dataset) else None
    above, _, name = (parts.path if parts else dataset).rstrip("/").rpartition("/")
    if dataset.endswith(".toml"):
        raise SettingsError(f"{dataset}: has no root; add the folder of the datasets: --root ROOT")
    if not (above and name):
        inside = [] if parts else datasets_in(Path(dataset))
        if inside:
            raise SettingsError(name_one(Path(dataset), inside))
        raise SettingsError(f"{dataset}: has no root; give ROOT/NAME, or NAME --root ROOT")
    if parts is None:
        return above, name
    return urlunsplit((parts.scheme, parts.netloc, above, parts.query, "")), name


def built_place(dataset: str, root: Root | None) -> Root:
    """The folder or URL of an existing dataset, from ROOT/NAME, or from a name or recipe with its root.

    >>> built_place("https://example.org/shards/shear_flow", None)
    'https://example.org/shards/shear_flow'
    """
    if root is None and not dataset.endswith(".toml"):
        return dataset if is_remote(dataset) else Path(dataset)
    above, name = dataset_place(dataset, root)
    return below(str(above), name) if is_remote(above) else Path(above) / name


def recipe_and_root(dataset: str, root: Path | None, assignments: tuple[str, ...]) -> tuple[Recipe, Path]:
    """The recipe of a dataset to build, and its root.

    `dataset` is a name or a recipe file if `root` is given, otherwise ROOT/NAME. For ROOT/NAME the recipe is
    that of the existing dataset, or that of the catalogue. Raises SettingsError if no recipe is found, or if
    the root is missing or given twice.
    """
    if root is not None and dataset.endswith(".toml"):
        return find_recipe(dataset, assignments), root
    above, name = dataset_place(dataset, root)
    if root is not None:
        return find_recipe(name, assignments), root
    built_with = Path(above) / name / "recipe.toml"
    return find_recipe(str(built_with) if built_with.is_file() else name, assignments), Path(above)
