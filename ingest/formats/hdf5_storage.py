"""Checks the storage of an HDF5 dataset: is it complete, can it be decoded, were its values rounded?"""

from __future__ import annotations

import importlib
import math
from typing import Any

import h5py

from ingest.formats.hdf5_errors import reading, where
from ingest.formats.quantization import roundings
from shards.errors import SourceError

# A whole chunk is decoded even for a small slab.
CHUNK_BYTES = 2 * 2**30
# Registered HDF5 filters that may round values, with their names there. zfp also has a lossless mode, which
# only zfp can recognise.
SCALE_OFFSET = h5py.h5z.FILTER_SCALEOFFSET
LOSSY = {
    32013: "zfp",
    32017: "SZ",
    32022: "BitGroom",
    32023: "Granular BitRound",
    32024: "SZ3",
    32028: "SPERR",
}
# The settings of scale-offset: its mode, then the number of decimal digits, or of bits for integers; 0 bits
# means as many as needed.
INTEGERS, AS_MANY_AS_NEEDED = 2, 0


def filters(dataset: h5py.Dataset) -> list[tuple[int, str]]:
    """The number and title of each filter of its chunks."""
    return [
        (code, name.decode("utf-8", "replace").split(";")[0].strip())
        for code, _, _, name in _pipeline(dataset)
    ]


def _pipeline(dataset: h5py.Dataset) -> list[tuple[int, int, tuple[int, ...], bytes]]:
    """The number, flags, settings and title of each filter."""
    with reading(dataset):
        created: Any = dataset.id.get_create_plist()
        return [created.get_filter(index) for index in range(created.get_nfilters())]


def losses(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Notes on how its values were rounded, or may have been rounded, when they were stored."""
    lossy = (_loss(code, settings) for code, _, settings, _ in _pipeline(dataset))
    with reading(dataset):
        return (*(words for words in lossy if words is not None), *roundings(dataset.attrs))


def _loss(code: int, settings: tuple[int, ...]) -> str | None:
    """A note on what this filter with these settings rounds; None if it loses nothing."""
    if code == SCALE_OFFSET:
        kind, digits = settings[:2]
        if kind == INTEGERS:
            return (
                None
                if digits == AS_MANY_AS_NEEDED
                else f"stored through the filter scale-offset in {digits} bits"
            )
        return f"rounded by the filter scale-offset to {digits} decimal digits"
    name = LOSSY.get(code)
    return None if name is None else f"stored through the filter {name}, which may round"


def require_filters(dataset: h5py.Dataset) -> None:
    """Raises SourceError if a filter of the dataset is not installed."""
    for code, title in filters(dataset):
        if not _available(code):
            raise SourceError(
                f"{where(dataset)}: needs HDF5 filter {code} ({title or 'unnamed'}), which is not installed; "
                "install hdf5plugin (pip install hdf5plugin)"
            )


def _available(code: int) -> bool:
    if h5py.h5z.filter_avail(code):
        return True
    try:
        importlib.import_module("hdf5plugin")  # it registers its filters when imported
    except ImportError:
        return False
    return bool(h5py.h5z.filter_avail(code))


def require_written(dataset: h5py.Dataset) -> None:
    """Raises SourceError if parts of a dataset were never written: they would be read as the fill value."""
    size = math.prod(dataset.shape) * dataset.dtype.itemsize
    with reading(dataset):
        chunks = dataset.chunks
        written = dataset.id.get_num_chunks() if chunks else dataset.id.get_storage_size()

    if not chunks:
        expected, unit = size, "bytes"
    else:
        expected = math.prod(-(-length // step) for length, step in zip(dataset.shape, chunks, strict=True))
        unit = "chunks"
        chunk_bytes = math.prod(chunks) * dataset.dtype.itemsize
        if chunk_bytes > CHUNK_BYTES:
            raise SourceError(
                f"{where(dataset)}: chunks of {chunk_bytes} bytes, each decoded whole; expected at most "
                f"{CHUNK_BYTES}; rechunk the file with h5repack"
            )

    if written < expected:
        raise SourceError(
            f"{where(dataset)}: only {written} of {expected} {unit} were written, the rest would be read as "
            "the fill value; the file is not complete: fetch or write it again"
        )
