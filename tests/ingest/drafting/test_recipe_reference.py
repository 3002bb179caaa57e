"""The page of all keys and the schema are those of the classes that read a recipe."""

import json
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from ingest.drafting.recipe_keys import TABLES
from ingest.drafting.recipe_reference import recipe_page, recipe_schema
from ingest.recipe import Recipe

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.kind.__name__)
def test_each_key_is_explained_and_no_other(table):
    assert set(table.keys) == {each.name for each in fields(table.kind)}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.kind.__name__)
def test_each_example_is_toml_that_uses_the_key(table):
    for name, key in table.keys.items():
        assert name in tomllib.loads(key.example)


def test_examples_are_values_that_the_class_takes():
    for table in TABLES[1:]:
        for name, key in table.keys.items():
            kind = next(each.type for each in fields(table.kind) if each.name == name)
            schema = TypeAdapter(table.kind).json_schema()["properties"][name]
            value = tomllib.loads(key.example)[name]
            kinds = {
                "string": str,
                "number": int | float,
                "integer": int,
                "boolean": bool,
                "array": list,
                "object": dict,
            }
            allowed = [
                each["type"]
                for each in schema.get("anyOf", [schema])
                if "type" in each and each["type"] != "null"
            ]
            assert not allowed or any(isinstance(value, kinds[each]) for each in allowed), (name, kind)


def test_the_page_is_made_from_them():
    page = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    assert page == recipe_page(), "run: python -m ingest.drafting.recipe_reference > docs/recipe.md"


def test_the_schema_names_every_key_with_its_meaning(command):
    result = command("schema")
    assert result.exit_code == 0
    schema = json.loads(result.stdout)
    assert schema == recipe_schema()
    assert set(schema["properties"]) == {each.name for each in fields(Recipe)}
    assert schema["properties"]["layout"]["description"].startswith("Axes of the arrays as stored")
    assert schema["additionalProperties"] is False
