"""Compares the order of the axes in a recipe with the names of dimensions in a file.

On a square grid, a file with x and y exchanged would be read as the others: only the names tell.
See docs/decisions/0198-exchanged-axes.md.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.formats.arrays import AttributedArrays, readable_dimensions
from ingest.layout import split_channel
from ingest.name_pattern import names_parts
from ingest.recipe import Recipe
from shards.errors import SourceError


def require_order_of_axes(arrays: AttributedArrays, recipe: Recipe) -> None:
    """Raises SourceError if the axes of a field in a file are in another order than in the recipe."""
    for field in recipe.fields:
        words = (field.layout or recipe.layout).split()
        for path in {split_channel(name)[0] for name in field.stored_names}:
            require_order(arrays, path, words, recipe.axes)


def require_order(arrays: AttributedArrays, path: str, words: Sequence[str], axes: Sequence[str]) -> None:
    """Raises SourceError if the dimensions of an array are the axes, in another order than in `words`.

    Dimensions with other names say nothing.
    """
    if names_parts(path) or "*" in path:
        return
    wanted = [word for word in words if word in axes]
    dimensions = [name.rpartition("/")[2] for name in readable_dimensions(arrays, path)]
    found = [name for name in dimensions if name in axes]
    if sorted(found) == sorted(wanted) and found != wanted:
        raise SourceError(
            f"{arrays.where}:{path}: its dimensions are {', '.join(dimensions)}; expected "
            f"{', '.join(wanted)} in this order, as the layout says; correct it, or write a recipe "
            "for such files alone"
        )
