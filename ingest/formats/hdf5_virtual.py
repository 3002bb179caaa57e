"""Checks virtual datasets of HDF5: their values are in other files, which must be in the same folder or
below.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import h5py

from ingest.formats.hdf5_errors import reading, where
from ingest.formats.hdf5_storage import require_filters, require_written
from ingest.remote.ranges import FETCH_FIRST
from shards.errors import SourceError

# The name by which a virtual dataset refers to its own file.
ITSELF = "."


def source_files(dataset: h5py.Dataset) -> tuple[Path, ...]:
    """The other files that hold the values of a virtual dataset, in order, each once."""
    with reading(dataset):
        names = [source.file_name for source in dataset.virtual_sources()]
        folder = Path(dataset.file.filename).absolute().parent
    return tuple(dict.fromkeys(folder / name for name in names if name != ITSELF))


def virtual_fault(dataset: h5py.Dataset) -> str | None:
    """The fault of a virtual dataset if its values are outside the folder, or in a file that is absent."""
    sources = source_files(dataset)
    if sources and "://" in dataset.file.filename:
        return f"a virtual dataset, of {sources[0].name}, which is not read behind a URL; {FETCH_FIRST}"
    folder = Path(dataset.file.filename).absolute().parent.resolve()
    for place in sources:
        if "%" in place.name or not place.resolve().is_relative_to(folder):
            return (
                f"a virtual dataset, of {place.name} outside the folder of the file; expected data in the "
                "folder; copy it in with h5repack -l CONTI"
            )
        if not place.is_file():
            return f"a virtual dataset, of {place.name}, which does not exist; fetch it, or exclude this file"
    return None


def require_whole_sources(dataset: h5py.Dataset) -> None:
    """Raises SourceError if parts of a virtual dataset are in no file, or were never written."""
    with reading(dataset):
        mappings = dataset.virtual_sources()
        covered = sum(_selected(source.vspace, dataset.shape) for source in mappings)

    if covered < math.prod(dataset.shape):
        raise SourceError(
            f"{where(dataset)}: {covered} of {math.prod(dataset.shape)} values of this virtual dataset are "
            "in a file; the rest would be read as the fill value; fetch the other files"
        )

    folder = Path(dataset.file.filename).absolute().parent
    for mapping in mappings:
        if mapping.file_name == ITSELF:
            _require_source(dataset.file, mapping, dataset.shape)
        else:
            _require_in_file(folder / mapping.file_name, mapping, dataset.shape)


def _selected(space: h5py.h5s.SpaceID, shape: tuple[int, ...]) -> int:
    """How many values of an array of this shape a selection takes.

    One without an end along an axis, as Dedalus writes it, goes on to the end of the array.
    """
    if space.get_select_type() == h5py.h5s.SEL_ALL:
        return math.prod(shape)
    if not space.is_regular_hyperslab():
        return int(space.get_select_npoints())
    taken = 1
    for length, start, stride, count, block in zip(shape, *space.get_regular_hyperslab(), strict=True):
        left = max(0, length - start)
        if block == h5py.h5s.UNLIMITED:
            taken *= left
        else:
            taken *= block * (math.ceil(left / stride) if count == h5py.h5s.UNLIMITED else count)
    return taken


def _require_in_file(path: Path, mapping: Any, shape: tuple[int, ...]) -> None:
    try:
        with h5py.File(path, "r", locking=False) as file:
            _require_source(file, mapping, shape)
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{path}: cannot be opened as HDF5 ({error}); fetch it again") from error


def _require_source(file: h5py.File, mapping: Any, shape: tuple[int, ...]) -> None:
    """Raises SourceError unless all values that a virtual dataset of this shape takes are in this file."""
    name = mapping.dset_name
    with reading(file):
        link = file.get(name, getlink=True)
        source = file.get(name) if isinstance(link, h5py.HardLink) else None

    if not isinstance(source, h5py.Dataset):
        raise SourceError(
            f"{file.filename}: no dataset {name}; a virtual dataset needs it; fetch the file again"
        )

    with reading(source):
        elsewhere = source.is_virtual or bool(source.external)
        held = _selected(mapping.src_space, source.shape)
        wanted = _selected(mapping.vspace, shape)

    if elsewhere:
        raise SourceError(
            f"{where(source)}: its values are in other files again; copy them in with h5repack -l CONTI"
        )

    if held < wanted:
        raise SourceError(
            f"{where(source)}: holds {held} of the {wanted} values that a virtual dataset takes from it; the "
            "rest would be read as the fill value; fetch the file again"
        )
    require_filters(source)
    require_written(source)
