"""Reads untrusted npy files, and npz files: zip archives of npy members, decoded from front to back in slabs.

A member is a compressed stream without random access, so the last block is kept: fields that share an array
read the same frames one after the other. Nothing is unpickled, and a header must agree with the size of its
member.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ingest.formats.arrays import SlabIndex, no_array
from ingest.formats.dates import SINCE_1970, DateArray, dates_in, may_hold_dates
from ingest.formats.number_types import wrong_type
from ingest.formats.packing import Attribute
from ingest.formats.text_lists import is_short, words_of
from shards.errors import SourceError, WalrusError

SKIP_BYTES = 2**20
# The largest array in Fortran order: it is read completely, because each frame is spread over all its bytes.
FORTRAN_BYTES = 2**30
# The name that we give to the array of an npy file.
ONLY = "data"
NPY_MAGIC = b"\x93NUMPY"
# What zipfile and zlib raise for damage, encryption, and unknown compression.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)


@contextmanager
def open_npz(path: Path) -> Iterator[Npz]:
    """Opens an archive; raises SourceError if it is not one."""
    if not path.is_file():
        raise SourceError(f"{path}: not a file; expected an npz archive; check the path")

    try:
        archive = zipfile.ZipFile(path)
    except WalrusError:
        # A file behind a URL has no name on this machine.
        raise
    except _DAMAGE as error:
        raise SourceError(
            f"{path}: {path.stat().st_size} bytes that are not a complete zip archive ({error}); expected "
            "npz; fetch the file again"
        ) from error

    with archive:
        if any(PurePosixPath(name).name == "data.pkl" for name in archive.namelist()):
            raise SourceError(
                f"{path}: saved by torch, as a pickle, which can run code; load it with "
                "weights_only=True and numpy.savez its tensors"
            )
        with closing(Npz(path, archive)) as arrays:
            yield arrays


@contextmanager
def open_npy(path: Path) -> Iterator[Npy]:
    """Opens an npy file, which holds one array; raises SourceError if it is not one."""
    with closing(Npy(path)) as arrays:
        yield arrays


class _ArraysAlone(ABC):
    """The parts of ArrayFile that are empty in numpy's formats: attributes, names of axes, texts, notes."""

    @abstractmethod
    def array(self, path: str) -> NpyArray: ...

    def attributes(self, path: str) -> dict[str, Attribute]:
        """The unit of dates, which are read as numbers; numpy stores no attributes."""
        is_dates = bool(path) and isinstance(self.array(path), DateArray)
        return {"units": SINCE_1970} if is_dates else {}

    def dimensions(self, path: str) -> tuple[str, ...]:
        return tuple("" for _ in self.array(path).shape)

    def texts(self, path: str) -> tuple[str, ...]:
        return ()

    def caveats(self) -> dict[str, tuple[str, ...]]:
        return {}


class Npy(_ArraysAlone):
    """The array of an npy file, called `data`; satisfies ingest.formats.arrays.ArrayFile."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._member = NpyStream(lambda: path.open("rb"), path.stat().st_size, self.where)

    def close(self) -> None:
        self._member.close()

    def names(self) -> tuple[str, ...]:
        return (ONLY,)

    def array(self, path: str) -> NpyArray:
        if path != ONLY:
            raise SourceError(f"{self.where}: no array {path}; the one array of an npy file is called {ONLY}")
        return self._member.in_order()

    def attribute(self, path: str, name: str) -> float | None:
        raise SourceError(f"{self.where}: npy holds no attributes; state numbers in the recipe")


class Npz(_ArraysAlone):
    """The arrays of an npz archive, by the names of their members without `.npy`."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.where = str(path)
        self._archive = archive
        self._members: dict[str, NpzMember] = {}

    def close(self) -> None:
        for member in self._members.values():
            member.close()

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(name[:-4] for name in self._archive.namelist() if name.endswith(".npy")))

    def array(self, path: str) -> NpyArray:
        """The array; raises SourceError if it is absent, or holds neither numbers nor dates."""
        if path not in self.names():
            raise no_array(self.where, path, self.names())
        if path not in self._members:
            name, place = f"{path}.npy", f"{self.where}:{path}"
            dates = self._dates(path)
            if dates is not None:
                return dates
            size = self._archive.getinfo(name).file_size
            self._members[path] = NpzMember(lambda: self._archive.open(name), size, place)
        return self._members[path].in_order()

    def texts(self, path: str) -> tuple[str, ...]:
        """The words of a list of text, from its header and its bytes; nothing is unpickled."""
        held = self._whole(path, is_short)
        return () if held is None else words_of(held)

    def _dates(self, path: str) -> DateArray | None:
        """The dates in an array of text or datetime64; None for other arrays."""
        held = self._whole(path, may_hold_dates)
        return None if held is None else dates_in(held, f"{self.where}:{path}")

    def _whole(
        self, path: str, is_wanted: Callable[[tuple[int, ...], np.dtype[Any]], bool]
    ) -> npt.NDArray[Any] | None:
        """All values of an array with a wanted shape and type; None for others, and for truncated ones."""
        try:
            with self._archive.open(f"{path}.npy") as stream:
                header = _npy_header(stream)
                if header.dtype.hasobject or not is_wanted(header.shape, header.dtype):
                    return None
                size = math.prod(header.shape) * header.dtype.itemsize
                content = stream.read(size)
        except _DAMAGE:
            return None
        return np.frombuffer(content, header.dtype).reshape(header.shape) if len(content) == size else None

    def attribute(self, path: str, name: str) -> float | None:
        raise SourceError(f"{self.where}: npz holds no attributes; name an array instead of {path}@{name}")


class NpyStream:
    """An array in a stream of `size` bytes, read forwards; to go back, the stream is opened again.

    An array in Fortran order appears in the order of its bytes, that is with reversed axes.
    """

    unwritten = False

    def __init__(self, open_stream: Callable[[], IO[bytes]], size: int, where: str) -> None:
        """Reads the header; raises SourceError if it is damaged, not of numbers, or not of this `size`."""
        self.where = where
        self._open = open_stream
        self._size = size
        with self._reading(), open_stream() as stream:
            header = _npy_header(stream)
            self._require_size(header)
        self.dtype, self._start = header.dtype, header.start
        self.reversed = header.is_fortran and len(header.shape) > 1
        self.shape = header.shape[::-1] if self.reversed else header.shape
        self._stream: IO[bytes] | None = None
        self._position = 0
        self._last: tuple[tuple[int, int], npt.NDArray[Any]] | None = None

    def in_order(self) -> NpyArray:
        """The array with its axes in order; raises SourceError if that would need too much memory."""
        if not self.reversed:
            return self
        if math.prod(self.shape) * self.dtype.itemsize > FORTRAN_BYTES:
            raise SourceError(
                f"{self.where}: {self._size} bytes in Fortran order, so no frame can be read alone; save it "
                "again after numpy.ascontiguousarray"
            )
        return FortranArray(self)

    def slab(self, *index: SlabIndex) -> npt.NDArray[Any]:
        """Reads the block of the leading integers and the first slice, then applies the rest of the index."""
        leading = next((place for place, each in enumerate(index) if isinstance(each, slice)), len(index))
        row = 0
        for length, each in zip(self.shape, index[:leading], strict=False):
            assert isinstance(each, int)
            row = row * length + each

        if leading == len(index):
            only: npt.NDArray[Any] = self._block(row, 1).reshape(())
            return only

        along = index[leading]
        assert isinstance(along, slice)
        length = self.shape[leading]
        start, stop, _ = along.indices(length)
        inner = self.shape[leading + 1 :]
        cells = math.prod(inner)
        block = self._block((row * length + start) * cells, (stop - start) * cells)
        return block.reshape(stop - start, *inner)[(slice(None), *index[leading + 1 :])]

    def _block(self, first: int, count: int) -> npt.NDArray[Any]:
        """Reads `count` numbers from number `first` on; keeps the last block."""
        if self._last is None or self._last[0] != (first, count):
            size = self.dtype.itemsize
            with self._reading():
                content = self._bytes(self._start + first * size, count * size)
            self._last = ((first, count), np.frombuffer(content, self.dtype))
        return self._last[1]

    def close(self) -> None:
        """Closes the stream; an archive keeps its file open while one of its streams is open."""
        if self._stream is not None:
            self._stream.close()

    def _bytes(self, start: int, size: int) -> bytes:
        """Reads `size` bytes from byte `start` on; to go back, opens the stream again."""
        if self._stream is None or start < self._position:
            self.close()
            self._stream, self._position = self._open(), 0
        while self._position < start:
            skipped = len(self._stream.read(min(SKIP_BYTES, start - self._position)))
            if not skipped:
                raise EOFError(f"ends at byte {self._position}")
            self._position += skipped
        content = self._stream.read(size)
        self._position += len(content)
        if len(content) < size:
            raise EOFError(f"ends at byte {self._position}")
        return content

    def _require_size(self, header: _NpyHeader) -> None:
        """Raises SourceError if the type is not a number, or if header and data disagree about the size."""
        if header.dtype.kind not in "biuf" or header.dtype.itemsize > 8:
            raise SourceError(f"{self.where}: {wrong_type(header.dtype, self.where.rpartition(':')[2])}")
        held = self._size - header.start
        expected = math.prod(header.shape) * header.dtype.itemsize
        if held != expected:
            raise SourceError(
                f"{self.where}: shape {header.shape} of {header.dtype} needs {expected} bytes, the member "
                f"holds {held}; the header and the data disagree: fetch the file again"
            )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except SourceError:
            raise
        except _DAMAGE as error:
            raise SourceError(
                f"{self.where}: damaged ({error or 'cut short'}); fetch the file again"
            ) from error


class NpzMember(NpyStream):
    """An array of an archive; it is compressed, so going back decodes it from its beginning."""


@dataclass(frozen=True)
class FortranArray:
    """An array in Fortran order with its axes as numpy shows them; satisfies ingest.formats.arrays.Array."""

    stored: NpyStream
    unwritten: bool = False

    @property
    def where(self) -> str:
        return self.stored.where

    @property
    def shape(self) -> tuple[int, ...]:
        return self.stored.shape[::-1]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.stored.dtype

    def slab(self, *index: SlabIndex) -> npt.NDArray[Any]:
        return self.stored.slab(*index[::-1]).T


NpyArray = NpyStream | FortranArray | DateArray


@dataclass(frozen=True)
class _NpyHeader:
    """The header of an npy stream; `start` is the first byte of the numbers."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype[Any]
    start: int


def _npy_header(stream: IO[bytes]) -> _NpyHeader:
    """Reads the header at the start of a stream; raises EOFError if there is none."""
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[
            version
        ]
        shape, fortran, dtype = read(stream)
    except (ValueError, KeyError, SyntaxError) as error:
        raise EOFError(f"no npy header: {error}") from error
    if any(length < 0 for length in shape):
        raise EOFError(f"no npy header: found the shape {shape}")
    return _NpyHeader(tuple(shape), bool(fortran), dtype, stream.tell())
