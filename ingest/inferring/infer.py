"""Infers the layout of a file, by names or by lengths; refuses files without a series in time."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from ingest.contents.axis_names import TIME_NAME, space_name
from ingest.contents.group_shapes import require_equal_grids
from ingest.contents.groups_of_states import require_one_run_of_states
from ingest.contents.listing import ArrayInfo, root_numbers
from ingest.contents.numbered_arrays import RUN_WORD
from ingest.contents.parts_of_grid import require_whole_grid
from ingest.contents.solvers import Solver, refusal, solver_of
from ingest.contents.split_arrays import arrays_by_split
from ingest.contents.state_time import time_of_state, words_of_time
from ingest.formats.arrays import ArrayFile
from ingest.inferring.coefficients import along_wavenumbers, with_wavenumbers
from ingest.inferring.halo import cell_counts
from ingest.inferring.inferred_layout import NAME_THE_FOLDER, InferredLayout, no_field, one_state
from ingest.inferring.layout_by_lengths import layout_by_lengths
from ingest.inferring.layout_by_names import (
    dimension_of_unknown_meaning,
    is_one_state_by_names,
    layout_by_names,
)
from ingest.inferring.no_grid import is_referred, list_of_cells, mesh, no_grid, places_cells
from ingest.inferring.particles import is_of_particles, lists_particles, particles
from ingest.inferring.samples import pairs
from ingest.layout import TIME
from shards.errors import SourceError

# What an attribute is called that states the cells of each axis.
GRID_SIZE = re.compile(r"dims|(grid|domain)_?(dims?|dimensions|size|shape)|n_?cells", re.IGNORECASE)

# What a file of one state holds, in words behind the name of its program.
PARTS = {"blocks": ": blocks of a grid", "tiles": ": a tile of a grid"}

# Arrays of the root that hold a field of a run each: run_0_u, u_run0; v1_x is a velocity.
_RUN = rf"(?!v)(?P<word>(?:{RUN_WORD.pattern})[-_]?)(?P<number>\d+)"
NUMBERED_RUNS = (
    re.compile(rf"{_RUN}(?P<name>[-_][A-Za-z]\w*)", re.IGNORECASE),
    re.compile(rf"(?P<name>[A-Za-z]\w*[-_]){_RUN}", re.IGNORECASE),
)


def infer_layout(
    arrays: ArrayFile,
    listed: tuple[ArrayInfo, ...],
    where: str,
    files: int = 1,
    *,
    guess_time: bool = True,
    cure: str = NAME_THE_FOLDER,
) -> InferredLayout:
    """Infers which arrays are fields, coordinates and times, from names, dimensions and lengths.

    `files` is the number of files with one state each. `guess_time` allows a dimension of unknown meaning to
    be time; then a person must decide. Raises SourceError if no array is a field over time, and says what the
    file is.
    """
    solver = solver_of([each.path for each in listed], set(arrays.attributes("")))
    if solver is not None:
        _require_grid(solver, arrays, listed, where, files, cure)
    require_whole_grid(arrays, listed, where)
    by_split = arrays_by_split(listed, where)
    listed = by_split.listed
    _require_one_run(listed, where)
    require_one_run_of_states(arrays, listed, where)
    require_equal_grids(arrays, listed, where)
    if solver is None:
        _refuse_for(mesh(arrays, listed), where)

    is_openpmd = solver is not None and solver.name == "openPMD"
    plain = [each for each in listed if each.fault is None and each.size and not is_referred(each.path)]
    places = tuple(each for each in plain if places_cells(each))
    usable = _with_files_as_time([each for each in plain if each not in places], plain, files)
    if is_openpmd:
        usable = [_with_axis_labels(arrays, each) for each in usable if not is_of_particles(each.path)]

    found = layout_by_names(usable)
    if found is None and files == 1 and is_one_state_by_names(usable):
        unknown = dimension_of_unknown_meaning(usable) if guess_time else ""
        if not unknown:
            raise one_state(where, _when(arrays, listed), cure)
        found = layout_by_names(usable, unknown)
    found = found or _layout_by_lengths(arrays, listed, usable)
    found, aside = _beside_particles(found, arrays, listed, usable)
    usable = [each for each in usable if each not in aside]

    if found is None or not _fits_its_lists(found):
        _refuse_for(no_grid(arrays, listed), where)
    if files == 1 and (found is None or not found.time_from):
        _refuse_for(pairs(usable), where)
    if found is None:
        raise no_field(listed, where, cure)
    _require_space(found, arrays, listed, where)
    if is_openpmd and not _labelled(arrays, listed):
        found = replace(found, axes_from="CHECK: axes without labels, named in their order in the file.")
    if files == 1:
        when = _when(arrays, listed)
        if found.lengths[TIME] == 1 or (when and not found.time_from):
            raise one_state(where, when, cure)

    broken = tuple(each for each in listed if each.fault is not None or not each.size)
    return replace(
        found,
        rest=(*found.rest, *aside, *places, *broken),
        particles=particles(listed),
        split_names=by_split.words,
    )


def _refuse_for(reason: str, where: str) -> None:
    """Raises SourceError with a reason, if there is one."""
    if reason:
        raise SourceError(f"{where}: {reason}")


def _layout_by_lengths(
    arrays: ArrayFile, listed: tuple[ArrayInfo, ...], usable: list[ArrayInfo]
) -> InferredLayout | None:
    """The layout that the lengths of these arrays show, and the numbers that the file states."""
    return layout_by_lengths(usable, root_numbers(arrays), _stated_cells(arrays, listed))


def _stated_cells(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> tuple[int, ...]:
    """The cells of each axis, as an attribute `dims`, or nx, ny, state them; none where nothing does."""
    for name, value in sorted(arrays.attributes("").items()):
        numbers = np.asarray(value)
        if GRID_SIZE.fullmatch(name) and numbers.dtype.kind in "iu" and numbers.size in (2, 3):
            return tuple(int(number) for number in numbers.reshape(-1) if number > 1)
    counts = {name.lower().replace("_", ""): number for name, number in cell_counts(arrays, listed).items()}
    named = [counts[name] for name in ("nx", "ny", "nz") if name in counts]
    return tuple(int(number) for number in named if number > 1) if len(named) > 1 else ()


def _require_grid(
    solver: Solver, arrays: ArrayFile, listed: tuple[ArrayInfo, ...], where: str, files: int, cure: str
) -> None:
    """Raises SourceError for particles and meshes, and for a file that is one state of a known program."""
    patches = [each for each in listed if re.match(r"patch\d+/q$", each.path)]
    if solver.name == "PyClaw" and sum(max(each.steps, each.groups) for each in patches) > 1:
        solver = replace(solver, holds="levels")
    _refuse_for(refusal(solver), where)
    if files > 1:
        return

    # openPMD numbers the iterations of a file: a file with one iteration is one state.
    is_one_iteration = solver.name == "openPMD" and not any(each.pattern for each in listed)
    parts = PARTS.get(solver.holds, "")
    if parts or solver.holds == "state" or is_one_iteration:
        raise one_state(f"{where}: {solver.name}{parts}", _when(arrays, listed), cure)


def _require_one_run(listed: tuple[ArrayInfo, ...], where: str) -> None:
    """Raises SourceError if arrays are called by runs: each would be a field of one run."""
    forms = [[found for each in listed if (found := form.fullmatch(each.path))] for form in NUMBERED_RUNS]
    runs = max(forms, key=len)
    numbers = {found["number"] for found in runs}
    if len(numbers) > 1 and len(runs) == len(numbers) * len({found["name"] for found in runs}):
        largest = max(listed, key=lambda each: each.size)
        found = next((each for each in runs if each.string == largest.path), runs[0])
        pattern = found.string.replace(f"{found['word']}{found['number']}", f"{found['word']}*")
        raise SourceError(
            f"{where}: {found.string} and others are arrays of {len(numbers)} runs; expected a file or a "
            f'group per run; save them so, or write stored = ["{pattern}"] in a recipe of your own'
        )


def _fits_its_lists(found: InferredLayout) -> bool:
    """Whether each list of coordinates has the length of its axis, or a row for each trajectory."""
    lists = found.lists.space.items()
    return all(len(each.values) > 1 or each.values[0] == found.lengths[axis] for axis, each in lists)


def _beside_particles(
    found: InferredLayout | None, arrays: ArrayFile, listed: tuple[ArrayInfo, ...], usable: list[ArrayInfo]
) -> tuple[InferredLayout | None, list[ArrayInfo]]:
    """The layout of the arrays that are on a grid, and those of particles or probes next to it.

    If no grid of several axes is left without these, the layout that was found, and no arrays. See
    docs/decisions/0141.
    """
    points = 0
    if found is not None and _list_of_cells(found, arrays, listed):
        points = found.lengths[found.axes[0]]
    aside = [each for each in usable if lists_particles(each) or points in (each.shape or ())]
    others = [each for each in usable if each not in aside]
    if not aside or not others:
        return found, []
    on_grid = layout_by_names(others) or _layout_by_lengths(arrays, listed, others)
    if on_grid is None or len(on_grid.axes) < 2:
        return found, []
    return on_grid, aside


def _require_space(
    found: InferredLayout, arrays: ArrayFile, listed: tuple[ArrayInfo, ...], where: str
) -> None:
    """Raises SourceError if the only axis is a list of cells, or if fields are along wavenumbers."""
    cells = tuple(found.lengths[axis] for axis in found.axes)
    reasons = [_list_of_cells(found, arrays, listed)]
    for each in found.variable:
        reasons.append(along_wavenumbers(each.array.path, each.array.dimensions))
        reasons.append(with_wavenumbers(each.array.path, cells, listed))
    _refuse_for(next(filter(None, reasons), ""), where)


def _list_of_cells(found: InferredLayout, arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> str:
    """Why the only axis is a list of cells with positions in the file; empty if it is an axis."""
    if len(found.axes) > 1:
        return ""
    (axis,) = found.axes
    model = found.variable[0]
    # States have no dimension for the time. A dimension with a list of coordinates is an axis.
    dimensions = dict(zip(reversed(model.words), reversed(model.array.dimensions), strict=False))
    if axis in found.lists.space:
        dimensions.clear()
    return list_of_cells(arrays, listed, found.lengths[axis], dimensions.get(axis, ""))


def _when(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> str:
    return words_of_time(arrays, time_of_state(arrays, listed))


def _labelled(arrays: ArrayFile, listed: tuple[ArrayInfo, ...]) -> bool:
    """Whether the first mesh of openPMD names its axes."""
    mesh = next((each.path for each in listed if re.search("/(meshes|fields)/", each.path)), "")
    return any("axisLabels" in arrays.attributes(path) for path in (mesh, mesh.rpartition("/")[0]))


def _with_axis_labels(arrays: ArrayFile, each: ArrayInfo) -> ArrayInfo:
    """A mesh of openPMD with its axisLabels; by default its axes are x, y, z, and none of them is time."""
    if any(each.dimensions) or len(each.values) < 1:
        return each
    for path in (each.path, each.path.rpartition("/")[0]):
        labels = arrays.attributes(path).get("axisLabels", ())
        words = (labels,) if isinstance(labels, str) else labels
        if isinstance(words, tuple) and len(words) == len(each.shape or ()):
            return replace(each, dimensions=tuple(map(str, words)))
    return replace(each, dimensions=("x", "y", "z")[: len(each.shape or ())])


def _with_files_as_time(usable: list[ArrayInfo], plain: list[ArrayInfo], files: int) -> list[ArrayInfo]:
    """The usable arrays, with the files as their axis of time if each file is a state.

    If a plain array has an axis of time, the others do not change: lat, lon next to T [time, lat, lon].
    """
    if files <= 1 or any(map(_has_time, plain)):
        return usable
    return [_as_state(each, files) for each in usable]


def _as_state(each: ArrayInfo, files: int) -> ArrayInfo:
    """An array with the files as its axis of time; coordinates stay as they are."""
    if each.pattern or each.place or len(each.values) < 2:
        return each
    if "/" in each.path and space_name(each.name):
        return each
    return replace(each, pattern=each.path, steps=files)


def _has_time(each: ArrayInfo) -> bool:
    """Whether an array is a field with an axis that is called time."""
    return len(each.values) >= 2 and any(TIME_NAME.fullmatch(name) for name in each.dimensions)
