"""A zarr store behind a URL, read-only; its files are asked for as all remote files are."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterable

from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype

from ingest.remote.path import RemotePath


class RemoteStore(Store):
    """The files of a folder behind a URL; `keys` are those that its server lists."""

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(self, folder: RemotePath, keys: Iterable[str]) -> None:
        super().__init__(read_only=True)
        self.folder = folder
        self.keys = frozenset(keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemoteStore) and other.folder == self.folder

    __hash__ = None  # type: ignore[assignment]

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """The bytes of a file, or a part of them; None if it is not listed."""
        if key not in self.keys:
            return None
        with (self.folder / key).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start, stop = _limits(byte_range, size)
            file.seek(start)
            return prototype.buffer.from_bytes(file.read(stop - start))

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        return key in self.keys

    async def set(self, key: str, value: Buffer) -> None:
        raise NotImplementedError

    async def delete(self, key: str) -> None:
        raise NotImplementedError

    async def list(self) -> AsyncIterator[str]:
        for key in sorted(self.keys):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for key in sorted(self.keys):
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        above = f"{prefix.rstrip('/')}/" if prefix else ""
        below = (key.removeprefix(above) for key in self.keys if key.startswith(above))
        for name in sorted({key.partition("/")[0] for key in below}):
            yield name


def _limits(part: ByteRequest | None, size: int) -> tuple[int, int]:
    """Start and end of a part of a file of `size` bytes."""
    match part:
        case RangeByteRequest():
            return part.start, min(part.end, size)
        case OffsetByteRequest():
            return part.offset, size
        case SuffixByteRequest():
            return max(0, size - part.suffix), size
        case _:
            return 0, size
