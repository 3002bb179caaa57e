"""Makes the page and the JSON Schema of recipes from the classes that read them."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields, is_dataclass
from textwrap import wrap
from typing import Any

from pydantic import TypeAdapter

from ingest.drafting.recipe_keys import TABLES, RecipeKey
from ingest.recipe import Recipe


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, each key with its meaning, for editors."""
    schema = TypeAdapter(Recipe).json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    for table in TABLES:
        held = schema if table.kind is Recipe else schema["$defs"][table.kind.__name__]
        held["description"] = _plain(table.meaning)
        for name, key in table.keys.items():
            held["properties"][name] |= {"description": _plain(key.meaning), "examples": [key.example]}
    return schema


def recipe_page() -> str:
    """The text of docs/recipe.md."""
    lines = [
        "# Recipe: every key",
        "",
        "`python -m ingest.drafting.recipe_reference > docs/recipe.md` makes this page from the classes",
        "that read a recipe. An unknown key is an error that names the nearest known key. `walrus-ingest",
        "schema > recipe.schema.json` writes the same as JSON Schema, for editors; the first line of a draft",
        "names that file.",
    ]
    for table in TABLES:
        lines += [
            "",
            f"## {f'`{table.head}`' if table.head else 'Top of the file'}",
            "",
            *wrap(table.meaning, 110),
            "",
        ]
        lines += ["| key | type | default | meaning | example |", "|---|---|---|---|---|"]
        lines += [_row(table.kind, name, key) for name, key in table.keys.items()]
    return "\n".join(lines) + "\n"


def _row(kind: type[Any], name: str, key: RecipeKey) -> str:
    (found,) = (each for each in fields(kind) if each.name == name)
    cells = (f"`{name}`", _type_in_words(str(found.type)), _default(found), key.meaning, f"`{key.example}`")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type_in_words(annotation: str) -> str:
    """A Python type in words for people who write TOML.

    >>> _type_in_words("tuple[str, ...]"), _type_in_words("Literal['source', 'float32']")
    ('list of text', '`source` or `float32`')
    """
    text = annotation.removesuffix(" | None")
    choices = re.fullmatch(r"(tuple\[)?Literal\[([^\]]+)\](, \.\.\.\])?", text)
    if choices:
        words = [f"`{word.strip(chr(39))}`" for word in choices[2].split(", ")]
        return ("list of " if choices[1] else "") + ", ".join(words[:-1]) + f" or {words[-1]}"
    known = {
        "str": "text",
        "bool": "true or false",
        "float": "number",
        "float | str": "number or text",
        "int": "whole number",
        "Natural": "whole number, 0 or more",
        "AtLeastOne": "whole number, 1 or more",
        "Power": "whole number",
        "GridKind": "`cartesian`, `spherical`, `log-spherical` or `equiangular`",
        "TransformName": "name of a transform",
        "SidesOfAxes": "table: axis to two sides",
        "tuple[str, ...]": "list of text",
        "tuple[AxisName, ...]": "list of 1 to 3 names",
        "tuple[int, ...]": "list of whole numbers",
        "dict[str, str]": "table of text",
        "dict[Split, str]": "table: split to text",
        "dict[AxisName, CoordinateRule]": "table: axis to a rule",
        "dict[AxisName, tuple[float, float]]": "table: axis to two numbers",
        "dict[AxisName, tuple[Natural, Natural]]": "table: axis to two whole numbers",
        "dict[str, tuple[float, ...]]": "table: parameter to a list of numbers",
    }
    if text in known:
        return known[text]
    return "tables" if text.startswith("tuple[") else "table"


def _default(found: Any) -> str:
    """The value if the key is left out."""
    if found.default is MISSING and found.default_factory is MISSING:
        return "required"
    value = found.default_factory() if found.default is MISSING else found.default
    if isinstance(value, bool):
        return "false"
    if value is None or value in ("", (), {}) or is_dataclass(value):
        return "none"
    return f"`{value}`"


def _plain(text: str) -> str:
    return text.replace("`", "")


if __name__ == "__main__":
    print(recipe_page(), end="")
