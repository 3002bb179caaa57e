"""The keys of a recipe as a page and as JSON Schema, made from the settings classes that read them."""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields, is_dataclass
from textwrap import wrap
from typing import Any

from pydantic import TypeAdapter

from ingest.correction import Correction
from ingest.layout import BlockRule, CoordinateRule, MaskRule, TileRule, TimeRule
from ingest.recipe import Exclusion, Expected, Recipe, RecipeField
from ingest.split import HeldOut, SplitRule


@dataclass(frozen=True)
class Key:
    """What a key means, and a line of TOML that uses it."""

    meaning: str
    example: str


@dataclass(frozen=True)
class Table:
    """A table of a recipe: the class that reads it, its head in TOML, its keys."""

    kind: type[Any]
    head: str
    meaning: str
    keys: dict[str, Key]


TABLES = (
    Table(
        Recipe,
        "",
        "The top of the file. `layout`, `time`, `coordinates`, `scalars`, `mask`, `crop` and `at_rest` "
        "describe arrays of source `arrays`; other sources know their files.",
        {
            "name": Key("Folder of the dataset: letters, digits, `_`, `-`, `.`.", 'name = "channel_flow"'),
            "source": Key("The source that reads the files: `arrays` for your own.", 'source = "arrays"'),
            "title": Key(
                "Describes the system in one sentence.", 'title = "Flow in a channel, Re 100 to 400"'
            ),
            "fields": Key("The fields, one table per field.", "[[fields]]"),
            "axes": Key("Names of the axes of space, in the order of the shards.", 'axes = ["y", "x"]'),
            "licence": Key("May others use the data?", 'licence = "CC-BY-4.0"'),
            "citation": Key("The paper to cite.", 'citation = "A. Author, Journal (2025)"'),
            "home": Key("Where the data are published.", 'home = "https://example.org/data"'),
            "note": Key("What a user should know.", 'note = "The first second is start-up."'),
            "files": Key(
                "Pattern of names below the given folder. `{step}`: one state per file; `{piece}`: restart "
                "pieces; `{variable}`: one variable per file. Any other name in braces: one run per value.",
                'files = "{run}/out_{step}.h5"',
            ),
            "tiles": Key("Where tiles of a grid are that are in files of their own.", "[tiles]"),
            "dtype": Key("`float32` rounds float64 files to half the size.", 'dtype = "float32"'),
            "kind": Key("Kind of the grid.", 'kind = "spherical"'),
            "boundaries": Key(
                "Boundary at the lower and the upper side of each axis: wall, open or periodic.",
                'boundaries = { x = ["periodic", "periodic"], y = ["wall", "open"] }',
            ),
            "correction": Key("Fixes wrong metadata of the files.", "[correction]"),
            "leave_out": Key("Arrays of the files to leave out.", 'leave_out = ["vorticity"]'),
            "exclude": Key("Files to leave out.", "[[exclude]]"),
            "skip_frames": Key(
                "Number of frames to leave out at the start of every run.", "skip_frames = 10"
            ),
            "stride": Key(
                "Keep only the first of every n frames, for runs whose frames hardly differ.",
                "stride = 4",
            ),
            "layout": Key(
                "Axes of the arrays as stored: n trajectory, t time, c component or channel, and the axes of "
                "space. Write `1` for an axis of length 1.",
                'layout = "n t y x c"',
            ),
            "time": Key("When the frames are.", "[time]"),
            "coordinates": Key("Where the cells of each axis are.", "[coordinates]"),
            "domain": Key(
                "Where an axis begins and ends; the outermost cells end there.", "domain = { x = [0.0, 2.0] }"
            ),
            "scalars": Key(
                "Parameters: an array, `@attribute` of the file, `path@attribute`, or a part of `files`.",
                'scalars = { Re = "@reynolds", nu = "params/nu", Ra = "{Ra}" }',
            ),
            "mask": Key("Which cells are solid.", "[mask]"),
            "at_rest": Key(
                "A run in which a field never changes: `refuse` leaves it out.", 'at_rest = "keep"'
            ),
            "overlap": Key(
                "Which of two files is right that differ at one time; `refuse` leaves the run out.",
                'overlap = "later"',
            ),
            "crop": Key(
                "Cells to cut at the lower and upper end of an axis: ghost cells, a repeated end.",
                "crop = { x = [3, 3], y = [0, 1] }",
            ),
            "blocks": Key(
                "Blocks of one level that make up the grid; `layout` names their axis `b`.", "[blocks]"
            ),
            "held_out": Key("Runs that validate or test.", "[[held_out]]"),
            "split": Key("How the other runs are divided among the splits.", "[split]"),
            "expected": Key("What the published release holds; compared, never enforced.", "[expected]"),
        },
    ),
    Table(
        RecipeField,
        "[[fields]]",
        "A field: what the model calls it, and where it is.",
        {
            "name": Key("Its name in the vocabulary of the model.", 'name = "velocity"'),
            "rank": Key("0 scalar, 1 vector, 2 tensor.", "rank = 1"),
            "constant": Key(
                "It does not change in time. If its own `layout` has t, all frames are checked to be equal.",
                "constant = true",
            ),
            "unit": Key("As people write it.", 'unit = "m s-1"'),
            "stored": Key(
                "Its array, or one array per component in the order of `axes`; `name[0]` is the first "
                "channel of an array. `*` stands for one array per run, `{step}` for one per frame.",
                'stored = ["step_{step}/vy", "step_{step}/vx"]',
            ),
            "transform": Key(
                "Applied to the stored values; the name of the field begins with it.", 'transform = "log10"'
            ),
            "layout": Key("The axes of its arrays, if they are not those of the recipe.", 'layout = "y x"'),
            "power": Key("Sets k of the stored scale 2^k; by default it is measured.", "power = 3"),
        },
    ),
    Table(
        TimeRule,
        "[time]",
        'One of `stored`, `step` and `stop`; next to `stored = "{step}"`, `step` is the time per step.',
        {
            "stored": Key(
                "An array; `@time`, an attribute of each file; `step_{step}@time`, of each group; `{step}`, "
                "the number or date in the names.",
                'stored = "scales/sim_time"',
            ),
            "start": Key("Time of the first frame.", "start = 0.5"),
            "step": Key(
                'Time between frames. With `stored = "{step}"`: time of one solver step.', "step = 0.01"
            ),
            "stop": Key("Time of the last frame; the frames between are evenly spaced.", "stop = 10.0"),
            "unit": Key("As people write it; shown in plots and by xarray.", 'unit = "s"'),
        },
    ),
    Table(
        CoordinateRule,
        "[coordinates.x]",
        "Either `stored`, or `lower` and `upper`.",
        {
            "stored": Key("An array of cell centres, or a meshgrid; it may decrease.", 'stored = "lat"'),
            "lower": Key("Where the first cell begins.", "lower = 0.0"),
            "upper": Key("Where the last cell ends: equal cells fill the axis.", "upper = 2.0"),
            "unit": Key("As people write it; shown in plots and by xarray.", 'unit = "degrees_east"'),
        },
    ),
    Table(
        MaskRule,
        "[mask]",
        "Cells inside a body, or land.",
        {
            "stored": Key("The array that marks solid cells.", 'stored = "mask_rho"'),
            "solid": Key("Its value in solid cells; `nan`: not a number.", 'solid = "zero"'),
            "layout": Key("Its axes; with t, a cell is solid if it is solid in any frame.", 'layout = "y x"'),
            "moves": Key("Whether `nan` is looked for in all frames: a body that moves.", "moves = true"),
        },
    ),
    Table(
        BlockRule,
        "[blocks]",
        "Where the blocks of a grid are: `places`, `corners`, or `centres` and `sizes`; arrays [block, axis] "
        "in order x, y, z.",
        {
            "places": Key("Position of each block, counted in blocks.", 'places = "LogicalLocations"'),
            "corners": Key("Lower corner of each block, in any unit.", 'corners = "Tree/Corner"'),
            "centres": Key("Centre of each block.", 'centres = "coordinates"'),
            "sizes": Key("Size of each block.", 'sizes = "block size"'),
            "levels": Key("Level of each block; all must be equal.", 'levels = "Levels"'),
            "kinds": Key(
                "Array that is 1 for blocks without children; only these are read.", 'kinds = "node type"'
            ),
            "children": Key("Below 0 for blocks that are not refined: all of them.", 'children = "Tree/Son"'),
        },
    ),
    Table(
        TileRule,
        "[tiles]",
        "Of files that hold a tile of the grid each, `{tile}` in `files`: attributes of each file.",
        {
            "offsets": Key("The first cell of the tile along each axis as stored.", 'offsets = "@offset"'),
            "cells": Key("How many cells the whole grid has along each.", 'cells = "@dims"'),
        },
    ),
    Table(
        Correction,
        "[correction]",
        "Fixes wrong metadata of the files, and gives the reason.",
        {
            "reason": Key(
                "The reason; the card records it.", 'reason = "the files say open; the paper says wall"'
            ),
            "boundaries": Key("Overrules the files.", 'boundaries = { y = ["wall", "wall"] }'),
            "scalars": Key(
                "The wrong name of a parameter, and the right one.", 'scalars = { Rayligh = "Rayleigh" }'
            ),
        },
    ),
    Table(
        Exclusion,
        "[[exclude]]",
        "A file that is left out.",
        {
            "files": Key("Pattern of its name.", 'files = "run_17.h5"'),
            "reason": Key("The reason.", 'reason = "it diverged"'),
        },
    ),
    Table(
        HeldOut,
        "[[held_out]]",
        "Runs kept from training, by name, by parameter, or by both.",
        {
            "splits": Key("valid, test, or both.", 'splits = ["test"]'),
            "files": Key("Pattern of their names.", 'files = "run_9*.h5"'),
            "scalars": Key("Values of parameters.", "scalars = { Reynolds = [100.0, 200.0] }"),
        },
    ),
    Table(
        SplitRule,
        "[split]",
        "Shares, or counts. With three runs or more, each split with a share above 0 gets at least one.",
        {
            "train": Key("Share that trains.", "train = 0.8"),
            "valid": Key("Share that validates.", "valid = 0.1"),
            "test": Key("Share that tests.", "test = 0.1"),
        },
    ),
    Table(
        Expected,
        "[expected]",
        "What a release holds; a difference is reported.",
        {
            "grid": Key("Cells of each axis.", "grid = [128, 64]"),
            "frames": Key("Frames of a run.", "frames = 101"),
            "trajectories": Key("Number of runs.", "trajectories = 32"),
        },
    ),
)


def recipe_schema() -> dict[str, Any]:
    """JSON Schema of a recipe, each key with its meaning: what an editor shows."""
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
        "Made by `python -m ingest.inspecting.recipe_reference > docs/recipe.md` from the classes that "
        "read a",
        "recipe. An unknown key is an error that names the nearest one. `walrus-ingest schema >",
        "recipe.schema.json` writes the same for editors; drafts name that file in their first line.",
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


def _row(kind: type[Any], name: str, key: Key) -> str:
    (found,) = (each for each in fields(kind) if each.name == name)
    cells = (f"`{name}`", _type_in_words(str(found.type)), _default(found), key.meaning, f"`{key.example}`")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _type_in_words(annotation: str) -> str:
    """A type of Python as a person writes TOML.

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
        "dict[AxisName, CoordinateRule]": "table: axis to a rule",
        "dict[AxisName, tuple[float, float]]": "table: axis to two numbers",
        "dict[AxisName, tuple[Natural, Natural]]": "table: axis to two whole numbers",
        "dict[str, tuple[float, ...]]": "table: parameter to a list of numbers",
    }
    if text in known:
        return known[text]
    return "tables" if text.startswith("tuple[") else "table"


def _default(found: Any) -> str:
    """What holds where the key is left out."""
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
