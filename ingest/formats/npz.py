"""Untrusted npz files: zip archives of npy members, decoded from front to back in slabs.

A member is a compressed stream without random access, so the last block read is kept: fields that share an
array ask for the same frames one after the other. Nothing is unpickled, and a header is believed only where
the size of its member agrees.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ingest.formats.arrays import SlabIndex
from ingest.formats.packing import Attribute
from shards.errors import SourceError

SKIP_BYTES = 2**20
# What zipfile and zlib raise for damage, encryption, and kinds of compression that they do not know.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError)


@contextmanager
def open_npz(path: Path) -> Iterator[Npz]:
    """The archive; raises SourceError where it is none."""
    if not path.is_file():
        raise SourceError(f"{path}: not a file; expected an npz archive; check the path")
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise SourceError(
            f"{path}: {path.stat().st_size} bytes that are no whole zip archive ({error}); expected npz; "
            "fetch the file again"
        ) from error
    with archive:
        yield Npz(path, archive)


class Npz:
    """The arrays of an archive, by the names of their members without `.npy`."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.where = str(path)
        self._archive = archive
        self._members: dict[str, NpzMember] = {}

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(name[:-4] for name in self._archive.namelist() if name.endswith(".npy")))

    def array(self, path: str) -> NpzMember:
        if path not in self.names():
            raise SourceError(
                f"{self.where}: no array {path}; found {', '.join(self.names()[:12]) or 'nothing'}"
            )
        if path not in self._members:
            self._members[path] = NpzMember(self._archive, f"{path}.npy", f"{self.where}:{path}")
        return self._members[path]

    def attribute(self, path: str, name: str) -> float | None:
        raise SourceError(f"{self.where}: npz holds no attributes; name an array instead of {path}@{name}")

    def attributes(self, path: str) -> dict[str, Attribute]:
        return {}

    def dimensions(self, path: str) -> tuple[str, ...]:
        return tuple("" for _ in self.array(path).shape)

    def caveats(self) -> dict[str, tuple[str, ...]]:
        return {}


class NpzMember:
    """One array, read forwards; going back starts its stream anew."""

    unwritten = False

    def __init__(self, archive: zipfile.ZipFile, name: str, where: str) -> None:
        self.where = where
        self._archive = archive
        self._name = name
        with self._reading():
            self.shape, self.dtype, self._start = self._header()
        self._stream: IO[bytes] | None = None
        self._position = 0
        self._last: tuple[tuple[int, int], npt.NDArray[Any]] | None = None

    def slab(self, *index: SlabIndex) -> npt.NDArray[Any]:
        """Reads the block that the leading integers and the first slice span, and picks the rest from it."""
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
        """`count` numbers from number `first` on."""
        if self._last is None or self._last[0] != (first, count):
            size = self.dtype.itemsize
            with self._reading():
                content = self._bytes(self._start + first * size, count * size)
            self._last = ((first, count), np.frombuffer(content, self.dtype))
        return self._last[1]

    def _bytes(self, start: int, size: int) -> bytes:
        """`size` bytes from byte `start` on; going back opens the stream again."""
        if self._stream is None or start < self._position:
            self._stream, self._position = self._archive.open(self._name), 0
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

    def _header(self) -> tuple[tuple[int, ...], np.dtype[Any], int]:
        """Shape, type, and where the numbers begin."""
        with self._archive.open(self._name) as stream:
            shape, fortran, dtype = _npy_header(stream)
            start = stream.tell()
        held = self._archive.getinfo(self._name).file_size - start
        if dtype.kind not in "biuf" or dtype.itemsize > 8:
            raise SourceError(f"{self.where}: holds {dtype}; expected integers or floats up to 64 bits")
        if fortran and len(shape) > 1:
            raise SourceError(f"{self.where}: stored in Fortran order; expected C order; save it again")
        expected = math.prod(shape) * dtype.itemsize
        if held != expected:
            raise SourceError(
                f"{self.where}: shape {shape} of {dtype} needs {expected} bytes, the member holds {held}; "
                "the header and the data disagree: fetch the file again"
            )
        return shape, dtype, start

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


def _npy_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[
            version
        ]
        shape, fortran, dtype = read(stream)
    except (ValueError, KeyError, SyntaxError) as error:
        raise EOFError(f"no npy header: {error}") from error
    return tuple(shape), bool(fortran), dtype
