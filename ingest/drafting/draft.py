"""Drafts a recipe for a file or a folder that no source knows.

A draft states what the files say and leaves open what a person must decide. It is checked by the reader of
recipes before it is written.
"""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

from ingest.contents.combined_files import open_and_list
from ingest.contents.listing import ArrayInfo
from ingest.contents.solvers import Solver, solver_of
from ingest.drafting.blocks import draft_blocks
from ingest.drafting.dataset_name import dataset_name
from ingest.drafting.side_lists import ListsNextTo
from ingest.drafting.side_numbers import side_numbers
from ingest.drafting.side_paths import runs_of
from ingest.drafting.text import DraftText
from ingest.drafting.tiles import draft_tiles
from ingest.drafting.well import draft_well
from ingest.formats.arrays import ArrayFile
from ingest.formats.foreign_formats import RAW, foreign_names
from ingest.formats.zarr_marker import marker
from ingest.inferring.face_sides import with_face_sides
from ingest.inferring.fields import draft_fields
from ingest.inferring.frames import FrameReader
from ingest.inferring.ghost_cells import GhostCells, ghost_cells
from ingest.inferring.halo import cell_counts, with_centres, with_counted_axes, with_halo
from ingest.inferring.infer import infer_layout
from ingest.inferring.inferred_layout import NAME_THE_FOLDER, InferredLayout, no_field
from ingest.inferring.listed_halo import listed_halo
from ingest.inferring.masks import with_fields_called_as_masks
from ingest.inferring.mesh_order import with_mesh_order
from ingest.inferring.meshes import with_meshes
from ingest.inferring.state_paths import with_step_paths
from ingest.inspecting.folder import look_through
from ingest.inspecting.folder_contents import FolderContents
from ingest.recipe import Recipe
from shards.counted import counted
from shards.disk import write_atomically
from shards.errors import SettingsError, SourceError
from shards.program.settings import make


def write_draft(source: Path, out: Path) -> None:
    """Drafts a recipe into a new file; raises SettingsError if it exists, SourceError without a field."""
    if out.exists():
        raise SettingsError(
            f"{out}: exists, and a recipe is never overwritten; name another file, or move it away"
        )
    text = draft(source)
    try:
        write_atomically(out, text.encode())
    except OSError as error:
        raise SettingsError(f"{out}: cannot be written ({error.strerror}); name another file") from error


def draft(path: Path) -> str:
    """The TOML text of a recipe; raises SourceError if no array is a field over time."""
    folder = look_through(path) if path.is_dir() and marker(path) is None else None
    text = _drafted(path, folder)
    try:
        make(Recipe, tomllib.loads(text), str(path))
    except (SettingsError, tomllib.TOMLDecodeError) as error:
        raise SourceError(
            f"{path}: its names make no valid recipe ({error}); write one by hand, see docs/recipe.md"
        ) from error
    return text


def _drafted(path: Path, folder: FolderContents | None) -> str:
    """The text of the draft, before the reader of recipes checks it."""
    paths = (folder.members or (folder.first,)) if folder else (path,)
    series, variables = (folder.series, folder.variables) if folder else ((), ())
    of_one_state = folder is not None and folder.states > 1
    with open_and_list(paths, variables, of_one_state=of_one_state) as (arrays, listed):
        listed = with_step_paths(listed, series, variables)
        names = [each.path for each in listed]
        solver = solver_of(names, set(arrays.attributes("")))
        well = draft_well(path, arrays, names)
        if well:
            return well
        if solver is not None and folder is not None and folder.states > 1:
            if solver.holds == "blocks":
                return draft_blocks(dataset_name(path), arrays, listed, solver, folder)
            if solver.holds == "tiles":
                return draft_tiles(dataset_name(path), arrays, listed, solver, folder)
        return _of_arrays(path, arrays, listed, solver, folder)


def _of_arrays(
    path: Path,
    arrays: ArrayFile,
    listed: tuple[ArrayInfo, ...],
    solver: Solver | None,
    folder: FolderContents | None,
) -> str:
    """The draft of plain arrays, with the lists and the numbers of the files next to them."""
    runs, pattern = runs_of(path, folder)
    arrays, listed = ListsNextTo(runs, pattern).added_to(arrays, listed, folder.states if folder else 1)
    layout, ghosts = _layout_and_ghosts(path, arrays, listed, folder)
    side = side_numbers(runs, pattern)
    if side.need_parts and folder is not None:
        folder = replace(folder, pattern=pattern)
    taken = (*layout.lists.all, *(each.array for each in layout.fields))
    used = {each.place.partition("#")[0] for each in taken if each.place}
    side = side.without(used)
    folder = folder and folder.without(used)
    return DraftText(path, arrays, layout, solver, folder, ghosts, side, runs).text()


def _layout_and_ghosts(
    path: Path, arrays: ArrayFile, listed: tuple[ArrayInfo, ...], folder: FolderContents | None
) -> tuple[InferredLayout, GhostCells]:
    """The layout of the cells of the grid, and the cells around them that a program adds.

    Raises SourceError if no array is a field over time.
    """
    cure = _states_of(path, folder) if folder else NAME_THE_FOLDER
    layout = infer_layout(arrays, listed, str(path), folder.states if folder else 1, cure=cure)
    layout = with_mesh_order(arrays, with_meshes(arrays, layout))
    counts = cell_counts(arrays, listed)
    layout, halo = with_halo(with_counted_axes(layout, counts), counts)
    layout = with_face_sides(arrays, with_centres(layout))
    series = (folder.series, folder.variables) if folder else ((), ())
    layout = with_fields_called_as_masks(layout, FrameReader(arrays, layout, *series))
    if all(field.constant for field in draft_fields(layout)):
        raise no_field(listed, str(path), cure)
    if halo:
        return layout, GhostCells(halo, words="as many as the file says")
    listed_cells = listed_halo(arrays, layout)
    if listed_cells is not None:
        return listed_cells.layout, GhostCells.of_lists(listed_cells)
    return layout, ghost_cells(arrays, layout)


def _states_of(path: Path, folder: FolderContents) -> str:
    """What to do with a folder whose files make no series."""
    count = counted(folder.files, "file")
    beside = sorted(folder.first.parent.iterdir())
    raw = foreign_names([file.relative_to(path).as_posix() for file in beside], RAW)
    more = f"; if {raw[1][0]} holds the fields, it is {raw[0].title}: {raw[0].advice}" if raw else ""
    return (
        f"{count} of this folder fit {folder.pattern}: number the states of a run, as out_0001, out_0002; "
        f"put each run into a folder of its own{more}"
    )
