"""Reads untrusted zarr stores of versions 2 and 3: folders with a marker, or zip archives."""

from __future__ import annotations

import base64
import math
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.storage import LocalStore, ZipStore

from ingest.formats.arrays import ABSENT_CHUNKS, SlabIndex, no_array
from ingest.formats.dates import SINCE_1970, DateArray, dates_in, may_hold_dates
from ingest.formats.npz import ONLY
from ingest.formats.number_types import wrong_type
from ingest.formats.number_words import number_or_date_in
from ingest.formats.packing import Attribute, Packing, packing
from ingest.formats.quantization import roundings
from ingest.formats.walk import walk
from ingest.formats.zarr_chunks import StoreContents, absent_files, chunk_grid, chunks_held, require_whole
from ingest.formats.zarr_marker import MARKERS
from ingest.formats.zarr_remote import RemoteStore
from ingest.remote.path import RemotePath, names_below
from shards.errors import SourceError, WalrusError

# The attribute by which xarray names the axes of an array in version 2.
DIMENSIONS = "_ARRAY_DIMENSIONS"
# Codecs that may round values; zfpy also has a lossless mode.
LOSSY = ("zfpy", "bitround", "quantize", "fixedscaleoffset")
# The most absent chunks that a note names.
NAMED = 3
# What zarr and its codecs raise for damage, and for unknown metadata.
_DAMAGE = (OSError, EOFError, RuntimeError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)


@contextmanager
def open_zarr(path: Path) -> Iterator[Zarr]:
    """Opens the store of this marker, or in this zip; raises SourceError if there is none."""
    with ExitStack() as stack:
        try:
            store, contents = stack.enter_context(_opened(path))
            root = zarr.open(store, path=_root(contents), mode="r")
        except WalrusError:
            raise
        except _DAMAGE as error:
            raise SourceError(f"{path}: holds no zarr group ({_one_line(error)}); fetch it again") from error
        yield Zarr(str(path), root, contents)


def _root(contents: StoreContents) -> str:
    """The path of the store in its archive: a zip made from the folder of a store holds that folder."""
    folders = {PurePosixPath(key).parent for key in contents.keys if PurePosixPath(key).name in MARKERS}
    highest = min(folders, key=lambda folder: (len(folder.parts), str(folder)), default=PurePosixPath("."))
    return "" if highest == PurePosixPath(".") else str(highest)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[LocalStore | RemoteStore | ZipStore, StoreContents]]:
    """The store of this marker, here or behind a URL, or in this zip, with the names of its files."""
    if path.name in MARKERS and isinstance(path, RemotePath):
        remote = path.parent
        keys = names_below(remote)
        yield RemoteStore(remote, keys), StoreContents(sorted(keys), lambda key: (remote / key).open("rb"))
    elif path.name in MARKERS:
        folder = path.parent
        with closing(LocalStore(folder, read_only=True)) as store:
            yield store, StoreContents(_keys(folder), lambda key: (folder / key).open("rb"))
    else:
        with zipfile.ZipFile(path) as archive, closing(ZipStore(path, mode="r")) as packed:
            yield packed, StoreContents(sorted(archive.namelist()), archive.open)


def _keys(folder: Path) -> list[str]:
    """The names of all files of a store; raises SourceError for broken links, pipes and devices."""
    tree = walk(folder, follow_every_link=True)
    strange = next((place for place in tree.files if not place.is_file()), None)
    if strange is not None:
        raise SourceError(f"{strange}: a broken link, or neither a file nor a folder; fetch the store again")
    if tree.unreadable:
        fault = tree.unreadable[0]
        raise SourceError(f"{fault.path}: {fault.reason}; all files of a store must be readable")
    return sorted(place.relative_to(folder).as_posix() for place in tree.files)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@dataclass(frozen=True)
class Zarr:
    """The arrays of a group and of all groups below; or the only array of a store."""

    where: str
    root: zarr.Group | zarr.Array[Any]
    contents: StoreContents

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(name for name, item in self._members().items() if isinstance(item, zarr.Array)))

    def array(self, path: str) -> ZarrArray | DateArray:
        """The array; raises SourceError if it is absent, or holds neither numbers nor dates."""
        item = self._members().get(path)
        if not isinstance(item, zarr.Array):
            raise no_array(self.where, path, self.names())
        array = self._held(path, item)
        dates = self._dates(array)
        if dates is not None:
            return dates
        if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise SourceError(f"{array.where}: {wrong_type(array.dtype, path)}")
        # The only codec that would run code from the file.
        if "pickle" in _codecs(item):
            raise SourceError(
                f"{array.where}: encoded by pickle, which is never opened here; store it as numbers"
            )

        return array

    def _held(self, path: str, item: zarr.Array[Any]) -> ZarrArray:
        return ZarrArray(f"{self.where}:{path}", item, self.contents)

    def _dates(self, array: ZarrArray) -> DateArray | None:
        """The dates in an array of text or datetime64; None for other arrays."""
        if not may_hold_dates(array.shape, np.dtype(array.array.dtype)) or "pickle" in _codecs(array.array):
            return None
        return dates_in(array.stored(*(slice(None) for _ in array.shape)), array.where)

    def attribute(self, path: str, name: str) -> float | None:
        """The number or date of an attribute, None if absent; raises SourceError for other values."""
        item = self._members().get(path) if path else self.root
        value = item.attrs.get(name) if item is not None else None
        if value is None:
            return None
        stated = number_or_date_in(value, name)
        if stated is not None:
            return stated
        # JSON allows integers that are too large for a float.
        if not isinstance(value, int | float) or abs(value) > sys.float_info.max:
            raise SourceError(
                f"{self.where}:{path}: attribute {name} holds {str(value)[:40]!r}; expected one number"
            )
        return float(value)

    def attributes(self, path: str) -> dict[str, Attribute]:
        item = self._members().get(path) if path else self.root
        if item is None:
            return {}
        is_dates = isinstance(item, zarr.Array) and self._dates(self._held(path, item)) is not None
        return _plain(item.attrs) | ({"units": SINCE_1970} if is_dates else {})

    def dimensions(self, path: str) -> tuple[str, ...]:
        array = self.array(path)
        own = array.dimensions if isinstance(array, ZarrArray) else _dimensions(self._members()[path])
        return own or tuple("" for _ in array.shape)

    def texts(self, path: str) -> tuple[str, ...]:
        # zarr stores keep words in attributes, not in arrays.
        return ()

    def caveats(self) -> dict[str, tuple[str, ...]]:
        return {
            path: self._held(path, item).caveats
            for path, item in sorted(self._members().items())
            if isinstance(item, zarr.Array)
        }

    def _members(self) -> dict[str, Any]:
        """Path to group or array; an array at the root is called `data`."""
        if isinstance(self.root, zarr.Array):
            return {ONLY: self.root}
        try:
            return dict(self.root.members(max_depth=None))
        except _DAMAGE as error:
            raise SourceError(f"{self.where}: damaged ({_one_line(error)}); fetch it again") from error


def _codecs(array: Any) -> str:
    """The metadata about filters, codecs and compression as text in lower case."""
    metadata = array.metadata.to_dict()
    return str([metadata.get(key) for key in ("filters", "compressor", "codecs")]).lower()


def _plain(attributes: Any) -> dict[str, Attribute]:
    """The attributes with numbers or texts; other JSON values are ignored."""
    found: dict[str, Attribute] = {}
    for name, value in dict(attributes).items():
        values = value if isinstance(value, list) else [value]
        if not values or isinstance(value, dict):
            continue
        if all(isinstance(each, str) for each in values):
            found[name] = value if isinstance(value, str) else tuple(values)
        elif all(isinstance(each, int | float) and abs(each) <= sys.float_info.max for each in values):
            found[name] = value if not isinstance(value, list) else np.asarray(value)
    return found


def _dimensions(array: Any) -> tuple[str, ...] | None:
    """The names of the axes: from the metadata in version 3, from an attribute of xarray in version 2."""
    held = getattr(array.metadata, "dimension_names", None) or array.attrs.get(DIMENSIONS)
    named = isinstance(held, list | tuple) and len(held) == len(array.shape)
    return tuple(str(each or "") for each in held) if named else None


def _fill_value(array: Any, attributes: dict[str, Attribute], where: str) -> Attribute | None:
    """The number that marks a missing value, if there is one.

    In version 2 it is the fill value of an array that names its axes, as in xarray; but coordinates and times
    have all their values, so their fill value 0 is a number. In version 3, and for such lists, it is the
    attribute `_FillValue`; xarray writes it for floats as the base64 of eight bytes.
    """
    dimensions = _dimensions(array)
    if array.metadata.zarr_format == 2 and dimensions != (array.basename,):
        return array.fill_value if dimensions else attributes.get("_FillValue")
    held = attributes.get("_FillValue")
    if not isinstance(held, str):
        return held
    try:
        (value,) = struct.unpack("<d", base64.standard_b64decode(held))
    except (ValueError, struct.error) as error:
        raise SourceError(
            f"{where}: attribute _FillValue is {held!r}; expected a number, or eight bytes as base64"
        ) from error
    return float(value)


@dataclass(frozen=True)
class ZarrArray:
    """An array of a store; absent chunks read as the fill value, numbers are decoded by their attributes."""

    where: str
    array: Any
    contents: StoreContents

    @cached_property
    def packing(self) -> Packing | None:
        attributes = _plain(self.array.attrs)
        fill = _fill_value(self.array, attributes, self.where)
        if fill is not None:
            attributes["_FillValue"] = fill
        return packing(np.dtype(self.array.dtype), attributes, self.where)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The name of each axis; empty if it has none."""
        return _dimensions(self.array) or tuple("" for _ in self.array.shape)

    @property
    def unwritten(self) -> bool:
        with self._reading():
            return math.prod(chunk_grid(self.array)) > 0 and not any(chunks_held(self.array, self.contents))

    @property
    def caveats(self) -> tuple[str, ...]:
        """Notes: how its values were rounded, how they are packed, which chunks are absent."""
        codecs = _codecs(self.array)
        lossy = tuple(f"stored through the codec {name}, which may round" for name in LOSSY if name in codecs)
        packed = self.packing.words if self.packing else ()
        notes = (*lossy, *roundings(self.array.attrs), *packed)

        with self._reading():
            chunks, held = math.prod(chunk_grid(self.array)), sum(chunks_held(self.array, self.contents))

        if held == chunks:
            return notes

        with self._reading():
            names = absent_files(self.array, self.contents, NAMED)

        more = ", ..." if len(names) == NAMED and chunks - held > NAMED else ""
        named = f" ({', '.join(names)}{more})" if names else ""
        read_as = f"read as {self._fill_words}"
        return (*notes, f"{chunks - held} of {chunks} {ABSENT_CHUNKS}{named} and {read_as}")

    @property
    def _fill_words(self) -> str:
        """The value of an absent chunk in words."""
        fill = np.array([self.array.fill_value], self.array.dtype)
        decoded = self.packing.decode(fill) if self.packing else fill
        absent = decoded.dtype.kind == "f" and bool(np.isnan(decoded).all())
        return f"{'no number, ' if absent else ''}the fill value {self.array.fill_value}"

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.packing.dtype if self.packing else np.dtype(self.array.dtype)

    def slab(self, *index: SlabIndex) -> npt.NDArray[Any]:
        if math.prod(self.shape) == 0:
            return np.empty(self.shape, self.dtype)[index]
        stored = self.stored(*index)
        return self.packing.decode(stored) if self.packing else stored

    def stored(self, *index: SlabIndex) -> npt.NDArray[Any]:
        """The part of the array as stored, not decoded."""
        with self._reading():
            require_whole(self.array, self.contents, index)
            return np.array(self.array[index])

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except WalrusError:
            # From the server of a remote store.
            raise
        except _DAMAGE as error:
            raise SourceError(f"{self.where}: damaged ({_one_line(error)}); fetch it again") from error
