"""Reading a whole file through its source, and the one line in which a bad one ends."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SourceError


def _read_all(path: Path, recipe: Recipe) -> list[np.ndarray]:
    with find(recipe.source).open_file(path, recipe) as file:
        return [file.frames(row, 0, len(file.rows[row].time)) for row in range(len(file.rows))]


@pytest.fixture
def read_all() -> Callable[[Path, Recipe], list[np.ndarray]]:
    """Frames [T, C, *S] of every trajectory of a file."""
    return _read_all


@pytest.fixture
def refusal() -> Callable[[Path, Recipe], str]:
    """The message, checked to be one line that names the file, with which a source refuses it."""

    def message(path: Path, recipe: Recipe) -> str:
        with pytest.raises(SourceError) as caught:
            _read_all(path, recipe)
        text = str(caught.value)
        assert "\n" not in text
        assert str(path) in text
        return text

    return message
