"""The meaning of every key of a recipe, with an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ingest.correction import Correction
from ingest.layout import BlockRule, CoordinateRule, MaskRule, TileRule, TimeRule
from ingest.recipe import Exclusion, Expected, Recipe, RecipeField
from ingest.split import HeldOut, SplitRule


@dataclass(frozen=True)
class Key:
    """The meaning of a key, and a line of TOML with it."""

    meaning: str
    example: str


@dataclass(frozen=True)
class Table:
    """A table of a recipe: the class that reads it, its heading in TOML, its keys."""

    kind: type[Any]
    head: str
    meaning: str
    keys: dict[str, Key]


TABLES = (
    Table(
        Recipe,
        "",
        "These keys come first in the file. `layout`, `time`, `coordinates`, `scalars`, `mask`, `crop` and "
        "`at_rest` are for the source `arrays`; other sources find these facts in their files.",
        {
            "name": Key("Folder of the dataset: letters, digits, `_`, `-`, `.`.", 'name = "channel_flow"'),
            "source": Key("The source that reads the files; `arrays` for your own.", 'source = "arrays"'),
            "title": Key(
                "Describes the system in one sentence.", 'title = "Flow in a channel, Re 100 to 400"'
            ),
            "fields": Key("The fields, one table per field.", "[[fields]]"),
            "axes": Key("Names of the axes of space, in the order of the shards.", 'axes = ["y", "x"]'),
            "licence": Key("Licence of the data, such as an SPDX name.", 'licence = "CC-BY-4.0"'),
            "citation": Key("The paper to cite.", 'citation = "A. Author, Journal (2025)"'),
            "home": Key("Web page of the data.", 'home = "https://example.org/data"'),
            "note": Key("A note for users of the data.", 'note = "The first second is start-up."'),
            "files": Key(
                "Pattern of file names below the given folder. `{step}`: one state per file; `{piece}`: "
                "restart pieces; `{variable}`: one variable per file. Any other name in braces: one run per "
                "value. `*` is any text, and must not be all that tells two files apart.",
                'files = "{run}/out_{step}.h5"',
            ),
            "tiles": Key("Positions of the tiles, if each tile of the grid has its own file.", "[tiles]"),
            "dtype": Key("`float32` rounds float64 values; this halves the size.", 'dtype = "float32"'),
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
            "time": Key("Times of the frames.", "[time]"),
            "coordinates": Key("Cell centres of each axis.", "[coordinates]"),
            "domain": Key(
                "Start and end of an axis; the outermost cells end there.", "domain = { x = [0.0, 2.0] }"
            ),
            "scalars": Key(
                "Where each parameter is: an array; a column of a table, counted from 0, as `params[1]`; "
                "`@attribute` of the file, `path@attribute`, `*@attribute` of each group of runs; a name in "
                "braces in `files`; or a number in a JSON, TOML or namelist file (.nml) next to the data, as "
                "`params.json#fluid.Pr`.",
                'scalars = { Re = "@reynolds", nu = "params[1]", Ra = "{Ra}", Pr = "params.json#fluid.Pr" }',
            ),
            "mask": Key("Which cells are solid.", "[mask]"),
            "at_rest": Key(
                "If a field never changes in a run, `refuse` leaves the run out.", 'at_rest = "keep"'
            ),
            "overlap": Key(
                "If two files hold different values of one time, which file is right; `refuse` leaves the "
                "run out.",
                'overlap = "later"',
            ),
            "crop": Key(
                "Cells to cut at the lower and upper end of an axis: ghost cells, a repeated end.",
                "crop = { x = [3, 3], y = [0, 1] }",
            ),
            "blocks": Key(
                "Blocks of one level that make up the grid; `layout` names their axis `b`.", "[blocks]"
            ),
            "held_out": Key("Runs for validation or test.", "[[held_out]]"),
            "split": Key("How the other runs are divided among the splits.", "[split]"),
            "expected": Key("Sizes of the published release; a difference is only reported.", "[expected]"),
        },
    ),
    Table(
        RecipeField,
        "[[fields]]",
        "A field: its name in the model, and its arrays in the file.",
        {
            "name": Key("Name of the field in the model.", 'name = "velocity"'),
            "rank": Key("0 scalar, 1 vector, 2 tensor.", "rank = 1"),
            "constant": Key(
                "The field does not change in time. If its `layout` has t, all frames must be equal.",
                "constant = true",
            ),
            "unit": Key("Unit, as text.", 'unit = "m s-1"'),
            "stored": Key(
                "One array, or one per component in the order of `axes`; `name[0]` is the first channel of "
                "an array. `*` stands for one array per run, `{step}` for one per frame.",
                'stored = ["step_{step}/vy", "step_{step}/vx"]',
            ),
            "faces": Key(
                "The axis on whose faces the values of each array are (staggered grids). A cell gets the "
                "mean of its two faces. The array has one value more than cells, on a periodic axis also as "
                "many.",
                'faces = ["x", "y"]',
            ),
            "transform": Key(
                "Transform of the values: `log10` (the field is then called `log10_NAME`) or `zeros` "
                "(`zeros_like_NAME`).",
                'transform = "log10"',
            ),
            "layout": Key("Axes of the arrays, if they differ from those of the recipe.", 'layout = "y x"'),
            "power": Key("Sets k of the stored scale 2^k; by default a sample decides.", "power = 3"),
        },
    ),
    Table(
        TimeRule,
        "[time]",
        'Give one of `stored`, `step` and `stop`. With `stored = "{step}"`, `step` may be given too.',
        {
            "stored": Key(
                "An array, of numbers or of dates as text; or `@time`, an attribute of each file; or "
                "`step_{step}@time`, one of each group; or `{step}`, the number or date in the names.",
                'stored = "scales/sim_time"',
            ),
            "start": Key("Time of the first frame.", "start = 0.5"),
            "step": Key(
                'Time between frames. With `stored = "{step}"`: duration of one solver step.', "step = 0.01"
            ),
            "stop": Key("Time of the last frame; the frames are evenly spaced.", "stop = 10.0"),
            "unit": Key(
                "Unit, as text; plots and xarray show it. If it counts from a date, dates in text and times "
                "that count from another date are converted.",
                'unit = "hours since 2000-01-24 12:00:00"',
            ),
        },
    ),
    Table(
        CoordinateRule,
        "[coordinates.x]",
        "Give either `stored`, or `lower` and `upper`.",
        {
            "stored": Key("An array of cell centres, or a meshgrid; it may decrease.", 'stored = "lat"'),
            "lower": Key("Start of the first cell.", "lower = 0.0"),
            "upper": Key("End of the last cell; all cells are equal.", "upper = 2.0"),
            "unit": Key("Unit, as text; plots and xarray show it.", 'unit = "degrees_east"'),
        },
    ),
    Table(
        MaskRule,
        "[mask]",
        "Solid cells, such as a body in a flow, or land.",
        {
            "stored": Key("The array that marks solid cells.", 'stored = "mask_rho"'),
            "solid": Key("Value of this array in solid cells; `nan`: not a number.", 'solid = "zero"'),
            "layout": Key(
                "Axes of this array; with t, a cell solid in any frame is solid.", 'layout = "y x"'
            ),
            "moves": Key("The body moves: look for `nan` in all frames.", "moves = true"),
        },
    ),
    Table(
        BlockRule,
        "[blocks]",
        "Positions of the blocks of a grid. Give `places`, or `corners`, or `centres` and `sizes`. Each is "
        "the name of an array [block, axis], axes in the order x, y, z.",
        {
            "places": Key("Position of each block, counted in blocks.", 'places = "LogicalLocations"'),
            "corners": Key("Lower corner of each block, in any unit.", 'corners = "Tree/Corner"'),
            "centres": Key("Centre of each block.", 'centres = "coordinates"'),
            "sizes": Key("Size of each block.", 'sizes = "block size"'),
            "levels": Key("Level of each block; all must be equal.", 'levels = "Levels"'),
            "kinds": Key(
                "Array that is 1 for blocks without children; only these are read.", 'kinds = "node type"'
            ),
            "children": Key(
                "Array that must be below 0, as for blocks without children.", 'children = "Tree/Son"'
            ),
        },
    ),
    Table(
        TileRule,
        "[tiles]",
        "For files with one tile of the grid each (`{tile}` in `files`). Both keys name an attribute of each "
        "file.",
        {
            "offsets": Key("First cell of the tile along each stored axis.", 'offsets = "@offset"'),
            "cells": Key("Number of cells of the whole grid along each stored axis.", 'cells = "@dims"'),
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
            "boundaries": Key(
                "Boundaries that replace those of the files.", 'boundaries = { y = ["wall", "wall"] }'
            ),
            "scalars": Key(
                "Wrong name of a parameter in the files, and the right name.",
                'scalars = { Rayligh = "Rayleigh" }',
            ),
        },
    ),
    Table(
        Exclusion,
        "[[exclude]]",
        "A file that is left out.",
        {
            "files": Key("Pattern of the file name.", 'files = "run_17.h5"'),
            "reason": Key("The reason; the card records it.", 'reason = "it diverged"'),
        },
    ),
    Table(
        HeldOut,
        "[[held_out]]",
        "Runs that are not used for training, chosen by file name, by parameter, or by both.",
        {
            "splits": Key("valid, test, or both.", 'splits = ["test"]'),
            "files": Key("Pattern of the file names.", 'files = "run_9*.h5"'),
            "scalars": Key("Values of parameters.", "scalars = { Reynolds = [100.0, 200.0] }"),
        },
    ),
    Table(
        SplitRule,
        "[split]",
        "Shares of the splits, as fractions or as numbers of runs. With three runs or more, each split with "
        "a share above 0 gets at least one run.",
        {
            "train": Key("Share for training.", "train = 0.8"),
            "valid": Key("Share for validation.", "valid = 0.1"),
            "test": Key("Share for test.", "test = 0.1"),
        },
    ),
    Table(
        Expected,
        "[expected]",
        "Sizes of the published release. A difference is reported and is not an error.",
        {
            "grid": Key("Number of cells along each axis.", "grid = [128, 64]"),
            "frames": Key("Frames per run.", "frames = 101"),
            "trajectories": Key("Number of runs.", "trajectories = 32"),
        },
    ),
)
