"""Decides whether files hold different variables of one run, by their arrays and their names."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ingest.contents.axis_names import TIME_NAME, space_name
from ingest.contents.listing import ArrayInfo, list_arrays
from ingest.formats.arrays import whole
from ingest.formats.npz import ONLY, open_npy
from ingest.formats.open_any import located, open_arrays
from ingest.inferring.samples import name_pairs
from shards.errors import SourceError
from shards.schema import split_called

# What fields are called: of files with one array each, these are variables and other names are runs.
FIELD_NAME = re.compile(
    r"rho|dens(ity)?|p|prs|pres(s|sure)?|u|v|w|[uvw]_?[xyzr]|vel(ocity)?(_?[xyzr123])?|[uvw]10{1,2}m?"
    r"|[uvwb][123]|[uvw]_?(wind|vel(ocity)?)|t|temp(erature)?|theta|b_?[xyz123]|e_?[xyz]|j_?[xyz]|mag(netic)?(_?[xyz])?"
    r"|m(om(entum)?)?_?[xyz123]|e|en(er)?(gy)?|eint|etot|s|salt|salinity|vort(icity)?(_?[xyz])?|omega|zeta"
    r"|psi|phi|chi|eta|ssh|c|conc(entration)?(_?\d+)?|tracer_?\d*|dye|scalar|smoke|buoyancy|b|q[vcri]?"
    r"|h|height|depth|alpha|vof|phase|stream(function)?|potential|mask|solid|k|epsilon|nut|activator|inhibitor"
    r"|species_?\w+|[a-z]+_(velocity|pressure|density|temperature)",
    re.IGNORECASE,
)


# More values are rather cells or frames.
FEW_CHANNELS = 9
# Larger arrays are not compared: they are fields.
MOST_VALUES = 2**22
# Files that a program writes to continue, at the start or at the end: they hold a state of the others again.
STATE_AGAIN = re.compile(
    r"restart|checkpoint|ckpt|chkpt|(^|[-_])(final|latest|last|end|backup)($|[-_])"
    r"|(^|[-_])(init(ial)?([-_]?(state|cond(ition)?s?|fields?))?|ics?|start)$",
    re.IGNORECASE,
)

# A folder of such files; one called restart_1 holds a piece of the run.
CHECKPOINT_FOLDER = re.compile(r"(checkpoint|ckpt|chkpt|chk)s?[-_]?\d*", re.IGNORECASE)


def are_variables(files: Sequence[Path], words: Sequence[str]) -> bool:
    """Whether files that differ in these words of their names hold different variables.

    They do where no field is in two of them. Where each holds one array of the same name, words decide, or
    shapes.
    Files of lists, of times and of cell centres, are there for the others. A grid or an area that each file
    repeats is no field of its own. A restart file holds a state again.
    """
    if any(STATE_AGAIN.search(word) for word in words):
        return False
    fields = _own_fields(files)
    if _have_times_apart(files, fields):
        return False
    if all(one.isdisjoint(other) for one, other in combinations(fields, 2)):
        return True
    named = [word for word, held in zip(words, fields, strict=True) if held]
    # x.npy and y.npy may hold a meshgrid.
    of_fields = [word for word in named if not space_name(word)]
    are_named = (bool(of_fields) and all(map(FIELD_NAME.fullmatch, of_fields))) or name_pairs(named)
    holding = [path for path, held in zip(files, fields, strict=True) if held]
    return are_one_array_each(fields) and (are_named or _differ_in_channels(holding, named))


def _have_times_apart(files: Sequence[Path], fields: Sequence[frozenset[str]]) -> bool:
    """Whether a file without fields has as many times as none of the others: it is a series of its own."""
    pairs = [(_numbers_of_times(path), held) for path, held in zip(files, fields, strict=True)]
    of_fields = set[int]().union(*(numbers for numbers, held in pairs if held))
    others = [numbers for numbers, held in pairs if numbers and not held]
    return bool(of_fields) and any(map(of_fields.isdisjoint, others))


def _numbers_of_times(path: Path) -> set[int]:
    place = located(path)
    with open_arrays(place) as arrays:
        lists = [each for each in list_arrays(arrays, place) if len(each.values) == 1 and each.size > 1]
    return {each.size for each in lists if TIME_NAME.fullmatch(each.name)}


def _differ_in_channels(files: Sequence[Path], words: Sequence[str]) -> bool:
    """Whether npy files hold arrays of different shapes on one grid: disp.npy [t, x, y, 2], sigma.npy
    [t, x, y, 3], p.npy [t, x, y], area.npy [x, y]. Runs have the same channels.
    """
    if any(path.suffix.lower() != ".npy" for path in files) or all(map(split_called, words)):
        return False
    shapes = {_shape_of(path) for path in files}
    return len(shapes) > 1 and any(
        all(_is_on(grid, shape) for shape in shapes) for grid in _grids(max(shapes, key=len))
    )


def _shape_of(path: Path) -> tuple[int, ...]:
    with open_npy(path) as arrays:
        return arrays.array(ONLY).shape


def _grids(shape: tuple[int, ...]) -> set[tuple[int, ...]]:
    """The shapes of an array without channels: its own, and without a short axis after the first."""
    short = [at for at, length in enumerate(shape) if at > 0 and length <= FEW_CHANNELS]
    return {shape, *(shape[:at] + shape[at + 1 :] for at in short)}


def _is_on(grid: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether an array may be on a grid [*lead, *S], or on the end of it, if it is constant."""
    return any(len(each) > 1 and grid[-len(each) :] == each for each in _grids(shape))


def are_one_array_each(fields: Sequence[frozenset[str]]) -> bool:
    """Whether each file holds one field with the same name; some may hold only lists."""
    return {len(each) for each in fields} <= {0, 1} and len({each for each in fields if each}) == 1


def doubt_of_words(files: Sequence[Path], words: Sequence[str], *, taken_for_variables: bool) -> str:
    """What a person must check if only words decided, because each file holds one array, or because no word
    is that of a field; otherwise empty. Words that are splits leave no doubt.
    """
    if all(map(split_called, words)):
        return ""
    fields = [fields_of(path) for path in files]
    are_of_fields = not taken_for_variables or any(map(_names_a_field, words, fields))
    if are_of_fields and not are_one_array_each(fields):
        return ""
    named = ", ".join(words[:9])
    if taken_for_variables:
        return f"{named} are taken for variables of one run, by these names or their shapes"
    return (
        f"{named} are taken for runs; if they are variables of one run, write {{variable}} there, and a "
        "field for each, stored by that name"
    )


def _names_a_field(word: str, fields: frozenset[str]) -> bool:
    """Whether the word of a file is a part of the name of one of its fields, or ends with it: vel, grid_T."""
    names = [name.rpartition("/")[2].lower() for name in fields]
    return any(word.lower() in name or word.lower().endswith(name) for name in names)


def _own_fields(files: Sequence[Path]) -> list[frozenset[str]]:
    """The fields of each file, without a grid that all of them hold with equal values; some must be left."""
    fields = [fields_of(path) for path in files]
    holding = [(path, held) for path, held in zip(files, fields, strict=True) if held]
    if len(holding) < 2:
        return fields
    common = frozenset.intersection(*(held for _, held in holding))
    grid = {name for name in common if _is_grid(holding, name)}
    is_all_of_one = any(held <= grid for _, held in holding)
    return fields if is_all_of_one else [held - grid for held in fields]


def _is_grid(files: Sequence[tuple[Path, frozenset[str]]], name: str) -> bool:
    """Whether all files hold the same values in an array that has fewer axes than others of its fields."""
    first: npt.NDArray[np.float64] | None = None
    for path, fields in files:
        with open_arrays(located(path)) as arrays:
            shape = arrays.array(name).shape
            most = max(len(arrays.array(field).shape) for field in fields)
            if len(shape) >= most or math.prod(shape) > MOST_VALUES:
                return False
            values = whole(arrays.array(name))
        if first is not None and not np.array_equal(values, first, equal_nan=True):
            return False
        first = values
    return True


def fields_of(path: Path) -> frozenset[str]:
    """The arrays of a file that are fields; no lists, and no meshgrids of coordinates."""
    place = located(path)
    with open_arrays(place) as arrays:
        return frozenset(each.path for each in list_arrays(arrays, place) if _is_field(each))


def is_list(path: Path) -> bool:
    """Whether a file is called as times or cell centres are, and holds no field."""
    if not TIME_NAME.fullmatch(path.stem) and not space_name(path.stem):
        return False
    try:
        return not fields_of(path)
    except SourceError:
        return False


def _is_field(each: ArrayInfo) -> bool:
    """Whether an array is neither a list nor a meshgrid of coordinates."""
    unit = each.attributes.get("units", "")
    is_mesh = bool(space_name(each.path.rpartition("/")[2]) or re.match(r"degrees?_?(north|east)", unit))
    # T of two axes is a temperature.
    is_time = bool(TIME_NAME.fullmatch(each.name)) and each.name != "T"
    is_bounds = each.name.endswith(("_bnds", "_bounds"))
    return len(each.values) >= 2 and not (is_time or is_bounds or is_mesh) and each.fault is None
