"""The meaning of every key of a recipe, with an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ingest.correction import Correction
from ingest.layout import BlockRule, CoordinateRule, MaskRule, TileRule, TimeRule
from ingest.recipe import Recipe, RecipeField
from ingest.release import Exclusion, ExpectedSize
from ingest.split import HeldOutRule, SplitRule


@dataclass(frozen=True)
class RecipeKey:
    """The meaning of a key, and a line of TOML with it."""

    meaning: str
    example: str


@dataclass(frozen=True)
class RecipeTable:
    """A table of a recipe: the class that reads it, its heading in TOML, its keys."""

    kind: type[Any]
    head: str
    meaning: str
    keys: dict[str, RecipeKey]


TABLES = (
    RecipeTable(
        Recipe,
        "",
        "These keys come first in the file. `layout`, `time`, `coordinates`, `scalars`, `mask`, `crop` and "
        "`at_rest` are for the source `arrays`; other sources find these facts in their files.",
        {
            "name": RecipeKey(
                "Folder of the dataset: letters, digits, `_`, `-`, `.`.", 'name = "channel_flow"'
            ),
            "source": RecipeKey(
                "The source that reads the files; `arrays` for your own.", 'source = "arrays"'
            ),
            "title": RecipeKey(
                "Describes the system in one sentence.", 'title = "Flow in a channel, Re 100 to 400"'
            ),
            "fields": RecipeKey("The fields, one table per field.", "[[fields]]"),
            "axes": RecipeKey("Names of the axes of space, in the order of the shards.", 'axes = ["y", "x"]'),
            "licence": RecipeKey("Licence of the data, such as an SPDX name.", 'licence = "CC-BY-4.0"'),
            "citation": RecipeKey("The paper to cite.", 'citation = "A. Author, Journal (2025)"'),
            "home": RecipeKey("Web page of the data.", 'home = "https://example.org/data"'),
            "note": RecipeKey("A note for users of the data.", 'note = "The first second is start-up."'),
            "files": RecipeKey(
                "Pattern of file names below the given folder. `{step}`: one state per file; `{piece}`: "
                "restart pieces; `{variable}`: one variable per file. Any other name in braces: one run per "
                "value. `*` is any text, and must not be all that tells two files apart.",
                'files = "{run}/out_{step}.h5"',
            ),
            "tiles": RecipeKey(
                "Positions of the tiles, if each tile of the grid has its own file.", "[tiles]"
            ),
            "dtype": RecipeKey("`float32` rounds float64 values; this halves the size.", 'dtype = "float32"'),
            "kind": RecipeKey("Kind of the grid.", 'kind = "spherical"'),
            "boundaries": RecipeKey(
                "Boundary at the lower and the upper side of each axis: wall, open or periodic.",
                'boundaries = { x = ["periodic", "periodic"], y = ["wall", "open"] }',
            ),
            "correction": RecipeKey("Fixes wrong metadata of the files.", "[correction]"),
            "leave_out": RecipeKey("Arrays of the files to leave out.", 'leave_out = ["vorticity"]'),
            "exclude": RecipeKey("Files to leave out.", "[[exclude]]"),
            "skip_frames": RecipeKey(
                "Number of frames to leave out at the start of every run.", "skip_frames = 10"
            ),
            "stride": RecipeKey(
                "Keep only the first of every n frames, for runs whose frames hardly differ.",
                "stride = 4",
            ),
            "layout": RecipeKey(
                "Axes of the arrays as stored: n trajectory, t time, c component or channel, and the axes of "
                "space. Write `1` for an axis of length 1. With `n` several times, each combination is a "
                "trajectory; `n1`, `n2` name these axes in a layout that has not all of them.",
                'layout = "n t y x c"',
            ),
            "time": RecipeKey("Times of the frames.", "[time]"),
            "coordinates": RecipeKey("Cell centres of each axis.", "[coordinates]"),
            "domain": RecipeKey(
                "Start and end of an axis; the outermost cells end there.", "domain = { x = [0.0, 2.0] }"
            ),
            "scalars": RecipeKey(
                "Where each parameter is: an array; an array along one of several axes n, as `nu[n2]`; a "
                "column of a table, counted from 0, as `params[1]`; "
                "`@attribute` of the file, `path@attribute`, `*@attribute` or `sims/*@attribute` of the "
                "group of each run; a number in the name of this group, as `Re{Re}`; "
                "a name in braces in `files`; or a number in a CSV, JSON, TOML, YAML or "
                "namelist file (.nml) next to the data, as `params.json#fluid.Pr`. Names in braces also "
                "select a file, `{run}.json#nu`, or a row, `sweep.csv#[file={run}.h5].nu`.",
                'scalars = { Re = "@reynolds", nu = "params[1]", Ra = "{Ra}", Pr = "params.json#fluid.Pr" }',
            ),
            "mask": RecipeKey("Which cells are solid.", "[mask]"),
            "at_rest": RecipeKey(
                "If a field never changes in a run, `refuse` leaves the run out.", 'at_rest = "keep"'
            ),
            "overlap": RecipeKey(
                "If two files hold different values of one time, which file is right; `refuse` leaves the "
                "run out.",
                'overlap = "later"',
            ),
            "crop": RecipeKey(
                "Cells to cut at the lower and upper end of an axis: ghost cells, a repeated end.",
                "crop = { x = [3, 3], y = [0, 1] }",
            ),
            "blocks": RecipeKey(
                "Blocks of one level that make up the grid; `layout` names their axis `b`.", "[blocks]"
            ),
            "held_out": RecipeKey("Runs for validation or test.", "[[held_out]]"),
            "split_names": RecipeKey(
                "For files with an array per split: the word of each split, which takes the place of "
                "`{split}` in names of arrays, as in `stored`.",
                'split_names = { train = "", test = "_test" }  # stored = ["u{split}"]: u and u_test',
            ),
            "split": RecipeKey("How the other runs are divided among the splits.", "[split]"),
            "expected": RecipeKey(
                "Sizes of the published release; a difference is only reported.", "[expected]"
            ),
        },
    ),
    RecipeTable(
        RecipeField,
        "[[fields]]",
        "A field: its name in the model, and its arrays in the file.",
        {
            "name": RecipeKey("Name of the field in the model.", 'name = "velocity"'),
            "rank": RecipeKey("0 scalar, 1 vector, 2 tensor.", "rank = 1"),
            "constant": RecipeKey(
                "The field does not change in time. If its `layout` has t, all frames must be equal.",
                "constant = true",
            ),
            "unit": RecipeKey("Unit, as text.", 'unit = "m s-1"'),
            "stored": RecipeKey(
                "One array, or one per component in the order of `axes`; `name[0]` is the first channel of "
                "an array. `*` stands for one array per run, `{step}` for one per frame.",
                'stored = ["step_{step}/vy", "step_{step}/vx"]',
            ),
            "faces": RecipeKey(
                "The axis on whose faces the values of each array are (staggered grids). A cell gets the "
                "mean of its two faces. The array has one value more than cells, on a periodic axis also as "
                "many.",
                'faces = ["x", "y"]',
            ),
            "faces_side": RecipeKey(
                "The side of the cell on which the faces are, where a periodic axis has as many faces as "
                "cells, in the order in which the axis is stored.",
                'faces_side = "upper"',
            ),
            "absent_faces": RecipeKey(
                "What a face counts as for which the file has no value, where it lies on a wall at the end "
                "of an axis or next to a solid cell of `[mask]`. Zero is right for velocities.",
                'absent_faces = "zero"',
            ),
            "transform": RecipeKey(
                "Transform of the values: `log10` (the field is then called `log10_NAME`) or `zeros` "
                "(`zeros_like_NAME`).",
                'transform = "log10"',
            ),
            "layout": RecipeKey(
                "Axes of the arrays, if they differ from those of the recipe.", 'layout = "y x"'
            ),
            "power": RecipeKey("Sets k of the stored scale 2^k; by default a sample decides.", "power = 3"),
        },
    ),
    RecipeTable(
        TimeRule,
        "[time]",
        'Give one of `stored`, `step` and `stop`. With `stored = "{step}"`, `step` may be given too.',
        {
            "stored": RecipeKey(
                "An array, of numbers or of dates as text; or `@time`, an attribute of each file; or "
                "`u@times`, a list in an attribute of an array; or `step_{step}@time`, one of each group; "
                "or `{step}`, the number or date in the names; or a file next to the data, `times.npy`, "
                "`history.csv#time`.",
                'stored = "scales/sim_time"',
            ),
            "offset": RecipeKey(
                "Added to stored times: the number at a place, as in `[scalars]`; or `previous`, the last "
                "time of the previous file of the run.",
                'offset = "@t_start"',
            ),
            "start": RecipeKey("Time of the first frame.", "start = 0.5"),
            "step": RecipeKey(
                'Time between frames. With `stored = "{step}"`: duration of one solver step. Its place, as '
                "in `[scalars]`, if runs differ in it.",
                'step = "@dt"',
            ),
            "stop": RecipeKey("Time of the last frame; the frames are evenly spaced.", "stop = 10.0"),
            "unit": RecipeKey(
                "Unit, as text; plots and xarray show it. If it counts from a date, dates in text and times "
                "that count from another date are converted.",
                'unit = "hours since 2000-01-24 12:00:00"',
            ),
        },
    ),
    RecipeTable(
        CoordinateRule,
        "[coordinates.x]",
        "Give either `stored`, or `lower` and `upper`.",
        {
            "stored": RecipeKey(
                "An array of cell centres, or a meshgrid; it may decrease; or a file next to the data, "
                "`x.txt`.",
                'stored = "lat"',
            ),
            "lower": RecipeKey("Start of the first cell.", "lower = 0.0"),
            "upper": RecipeKey("End of the last cell; all cells are equal.", "upper = 2.0"),
            "unit": RecipeKey("Unit, as text; plots and xarray show it.", 'unit = "degrees_east"'),
        },
    ),
    RecipeTable(
        MaskRule,
        "[mask]",
        "Solid cells, such as a body in a flow, or land.",
        {
            "stored": RecipeKey(
                "The array that marks solid cells, or an npy file next to the data.", 'stored = "mask_rho"'
            ),
            "solid": RecipeKey("Value of this array in solid cells; `nan`: not a number.", 'solid = "zero"'),
            "layout": RecipeKey(
                "Axes of this array; with t, a cell solid in any frame is solid.", 'layout = "y x"'
            ),
            "moves": RecipeKey("The body moves: look for `nan` in all frames.", "moves = true"),
        },
    ),
    RecipeTable(
        BlockRule,
        "[blocks]",
        "Positions of the blocks of a grid. Give `places`, or `corners`, or `centres` and `sizes`. Each is "
        "the name of an array [block, axis], axes in the order x, y, z.",
        {
            "places": RecipeKey("Position of each block, counted in blocks.", 'places = "LogicalLocations"'),
            "corners": RecipeKey("Lower corner of each block, in any unit.", 'corners = "Tree/Corner"'),
            "centres": RecipeKey("Centre of each block.", 'centres = "coordinates"'),
            "sizes": RecipeKey("Size of each block.", 'sizes = "block size"'),
            "levels": RecipeKey("Level of each block; all must be equal.", 'levels = "Levels"'),
            "kinds": RecipeKey(
                "Array that is 1 for blocks without children; only these are read.", 'kinds = "node type"'
            ),
            "children": RecipeKey(
                "Array that must be below 0, as for blocks without children.", 'children = "Tree/Son"'
            ),
        },
    ),
    RecipeTable(
        TileRule,
        "[tiles]",
        "For files with one tile of the grid each (`{tile}` in `files`). Both keys name an attribute of each "
        "file.",
        {
            "offsets": RecipeKey("First cell of the tile along each stored axis.", 'offsets = "@offset"'),
            "cells": RecipeKey(
                "Number of cells of the whole grid along each stored axis.", 'cells = "@dims"'
            ),
        },
    ),
    RecipeTable(
        Correction,
        "[correction]",
        "Fixes wrong metadata of the files, and gives the reason.",
        {
            "reason": RecipeKey(
                "The reason; the card records it.", 'reason = "the files say open; the paper says wall"'
            ),
            "boundaries": RecipeKey(
                "Boundaries that replace those of the files.", 'boundaries = { y = ["wall", "wall"] }'
            ),
            "scalars": RecipeKey(
                "Wrong name of a parameter in the files, and the right name.",
                'scalars = { Rayligh = "Rayleigh" }',
            ),
        },
    ),
    RecipeTable(
        Exclusion,
        "[[exclude]]",
        "A file that is left out.",
        {
            "files": RecipeKey("Pattern of the file name.", 'files = "run_17.h5"'),
            "reason": RecipeKey("The reason; the card records it.", 'reason = "it diverged"'),
        },
    ),
    RecipeTable(
        HeldOutRule,
        "[[held_out]]",
        "Runs that are not used for training, chosen by file name, by parameter, or by both.",
        {
            "splits": RecipeKey("valid, test, or both.", 'splits = ["test"]'),
            "files": RecipeKey("Pattern of the file names.", 'files = "run_9*.h5"'),
            "scalars": RecipeKey("Values of parameters.", "scalars = { Reynolds = [100.0, 200.0] }"),
        },
    ),
    RecipeTable(
        SplitRule,
        "[split]",
        "Shares of the splits, as fractions or as numbers of runs. With three runs or more, each split with "
        "a share above 0 gets at least one run.",
        {
            "train": RecipeKey("Share for training.", "train = 0.8"),
            "valid": RecipeKey("Share for validation.", "valid = 0.1"),
            "test": RecipeKey("Share for test.", "test = 0.1"),
        },
    ),
    RecipeTable(
        ExpectedSize,
        "[expected]",
        "Sizes of the published release. A difference is reported and is not an error.",
        {
            "grid": RecipeKey("Number of cells along each axis.", "grid = [128, 64]"),
            "frames": RecipeKey("Frames per run.", "frames = 101"),
            "trajectories": RecipeKey("Number of runs.", "trajectories = 32"),
        },
    ),
)
