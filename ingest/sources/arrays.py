"""Reads any arrays that a recipe describes, in HDF5, NetCDF, npz or zarr; the content decides the format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ingest.fields.axes_in_files import require_order_of_axes
from ingest.fields.described_fields import described_file, header_request
from ingest.fields.field_stack import FieldStack
from ingest.fields.named_arrays import NamedArrays
from ingest.fields.run_arrays import RunArrays
from ingest.fields.split_arrays import SplitArrays, described_splits
from ingest.formats.arrays import AttributedArrays
from ingest.formats.hdf5 import virtual_sources
from ingest.formats.open_any import is_hdf5, located, open_arrays
from ingest.formats.run_files import files_of_run, require_told_apart
from ingest.formats.walk import walk
from ingest.formats.zarr_marker import DOCUMENTS, MARKERS
from ingest.name_pattern import OF_ONE_RUN, NamePattern, names_parts
from ingest.recipe import Recipe
from ingest.remote.path import RemotePath
from ingest.source import Mark
from shards.errors import SourceError
from shards.schema import Split, split_called

PATTERNS = ("*.h5", "*.hdf5", "*.nc", "*.npy", "*.npz", "*.zarr", "*.zarr.zip")
# No marks: any file may match, only the recipe knows what its arrays are.
MARKS: tuple[Mark, ...] = ()


def split(path: Path) -> Split | None:
    """The name of the folder, if it is a split."""
    place = path.parent if path.name in MARKERS else path
    return split_called(place.parent.name)


def companions(path: Path) -> tuple[Path, ...]:
    """The other files of a zarr folder, or of the virtual datasets of a file; none for other files."""
    if path.name not in MARKERS:
        return tuple(place for place in virtual_sources(path) if place.is_file()) if is_hdf5(path) else ()
    if isinstance(path, RemotePath):
        # Asking for the state of each chunk would be a request per chunk: docs/decisions/0151.
        documents = (place for place in walk(path.parent).files if place.name in DOCUMENTS)
        return tuple(sorted(place for place in documents if place != path))
    return tuple(sorted(place for place in walk(path.parent).files if place.is_file() and place != path))


@contextmanager
def open_file(path: Path, recipe: Recipe) -> Iterator[FieldStack | SplitArrays]:
    """Opens a file as the recipe describes it; raises SourceError if they differ, or if a rule is missing."""
    if not recipe.layout:
        raise SourceError(
            f"{path}: recipe {recipe.name} states no layout; expected the axes of its arrays, as layout = "
            f'"n t {" ".join(recipe.axes)}"; n trajectory, t time, c component or channel'
        )
    with _opened(path, recipe) as arrays:
        if recipe.split_names:
            yield described_splits(arrays, recipe)
        else:
            yield described_file(arrays, recipe, recipe.layout)


@contextmanager
def _opened(path: Path, recipe: Recipe) -> Iterator[AttributedArrays]:
    """Opens the arrays of a file, or of its whole run if `files` of the recipe has named parts."""
    pattern = NamePattern(recipe.files)
    run = files_of_run(path, pattern) if names_parts(recipe.files) else None
    if run is None:
        with open_arrays(path) as arrays:
            require_order_of_axes(arrays, recipe)
            yield arrays
        return
    require_told_apart(run, pattern)
    if set(pattern.parts).isdisjoint(OF_ONE_RUN):
        # Such a run is one file, and may hold several trajectories as any file does.
        with open_arrays(located(run.first)) as arrays:
            require_order_of_axes(arrays, recipe)
            yield NamedArrays(arrays, run.files[0].parts)
    else:
        with closing(RunArrays(run, header_request(recipe))) as files:
            require_order_of_axes(files, recipe)
            yield files
