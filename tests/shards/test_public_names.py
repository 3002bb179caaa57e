"""The names that a room gives are its modules: nothing is loaded that nobody asked for."""

from importlib import import_module
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["shards", "shards.program", "shards.drawing"])
def test_a_room_names_each_of_its_modules(name):
    room = import_module(name)
    folder = Path(room.__file__).parent
    modules = {path.stem for path in folder.glob("*.py") if path.stem != "__init__"}
    rooms = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert room.__all__ == sorted(modules | rooms)
