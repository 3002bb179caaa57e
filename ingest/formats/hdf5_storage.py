"""Storage of an HDF5 dataset: is all of it written, can it be decoded, were its values rounded?"""

from __future__ import annotations

import importlib
import math
from typing import Any

import h5py

from ingest.formats.hdf5_errors import reading, where
from ingest.formats.quantization import roundings
from shards.errors import SourceError

# One chunk is decoded whole, however small the slab.
CHUNK_BYTES = 2 * 2**30
# Filters of HDF5's register that keep a value only nearly, and what they are called there; zfp has a lossless
# mode, whose mark is in a header that only zfp reads.
SCALE_OFFSET = h5py.h5z.FILTER_SCALEOFFSET
LOSSY = {
    32013: "zfp",
    32017: "SZ",
    32022: "BitGroom",
    32023: "Granular BitRound",
    32024: "SZ3",
    32028: "SPERR",
}
# The settings of scale-offset: what it does, then decimal
# digits, or for integers bits; 0 are as many as needed.
INTEGERS, AS_MANY_AS_NEEDED = 2, 0


def filters(dataset: h5py.Dataset) -> list[tuple[int, str]]:
    """Number and title of each filter that its chunks went through."""
    return [
        (code, name.decode("utf-8", "replace").split(";")[0].strip())
        for code, _, _, name in _pipeline(dataset)
    ]


def _pipeline(dataset: h5py.Dataset) -> list[tuple[int, int, tuple[int, ...], bytes]]:
    """Number, flags, settings and title of each filter."""
    with reading(dataset):
        created: Any = dataset.id.get_create_plist()
        return [created.get_filter(index) for index in range(created.get_nfilters())]


def losses(dataset: h5py.Dataset) -> tuple[str, ...]:
    """What its values lost on their way into the file, or may have lost, in words."""
    lossy = (_loss(code, settings) for code, _, settings, _ in _pipeline(dataset))
    with reading(dataset):
        return (*(words for words in lossy if words is not None), *roundings(dataset.attrs))


def _loss(code: int, settings: tuple[int, ...]) -> str | None:
    """What the filter of this number and these settings lost, in words; None for nothing."""
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
    """Storage that was never written reads as the fill value, most often zero: refuse it."""
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
            f"{where(dataset)}: {written} of {expected} {unit} were ever written, the rest would read as "
            "the fill value; the file was not finished: fetch or write it again"
        )
