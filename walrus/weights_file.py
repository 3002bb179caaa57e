"""Reads an untrusted safetensors file, and checks its checksums.

The library checks that the file has the length that its header states. It does not limit the header itself:
up to a hundred megabytes would be read and parsed before any check.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import google_crc32c
import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from shards.disk import open_regular
from shards.errors import ShardError

# A tensor takes about 100 bytes of it: the header of the published model has 0.2 MB.
LARGEST_HEADER = 16 * 10**6
PIECE_BYTES = 8 * 2**20
# The length of the header, at the start of the file.
LENGTH_BYTES = 8


@dataclass(frozen=True)
class Weights:
    """The tensors of a file by name, on the CPU, and the crc32c of the whole file."""

    tensors: dict[str, Tensor]
    crc32c: int


def load_weights(path: Path) -> Weights:
    """Reads all tensors of a file, each byte once.

    Raises ShardError if the file is not safetensors, or a tensor differs from its checksum (old files have
    none).
    """
    crc32c = google_crc32c.value(read_header(path))
    tensors = {}
    try:
        with safe_open(path, framework="pt") as file:
            expected = file.metadata() or {}
            # The tensors follow the header without a gap: the library refuses any other file.
            for name in file.offset_keys():
                values = file.get_tensor(name)
                if expected.get(name) not in (None, checksum(values)):
                    raise ShardError(f"{path}: {name} differs from its checksum; remove the file")
                tensors[name] = values
                crc32c = google_crc32c.extend(crc32c, _bytes(values))
    except ShardError:
        raise
    except (OSError, SafetensorError) as error:
        raise ShardError(f"{path}: cannot be read as safetensors ({error}); copy the file again") from error
    return Weights(tensors, crc32c)


def checksums(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The checksum of each tensor by name: the metadata of the file that holds them."""
    return {name: checksum(values) for name, values in tensors.items()}


def checksum(values: Tensor) -> str:
    """The crc32c of the bytes of a tensor, in hexadecimal digits."""
    whole, crc32c = _bytes(values), 0
    # In pieces, because the library holds Python's lock, and training continues in another thread.
    for start in range(0, len(whole), PIECE_BYTES):
        crc32c = google_crc32c.extend(crc32c, whole[start : start + PIECE_BYTES])
    return f"{crc32c:08x}"


def _bytes(values: Tensor) -> npt.NDArray[np.uint8]:
    """The bytes of a tensor, as they are in a file."""
    found: npt.NDArray[np.uint8] = values.detach().contiguous().view(-1).view(torch.uint8).numpy()
    return found


def read_header(path: Path) -> bytes:
    """The first bytes of a file: the length of the header (8 bytes) and the header, which is JSON.

    Raises ShardError if there is no such file, or the header is longer than the file or `LARGEST_HEADER`.
    """
    try:
        with open_regular(path) as file:
            start = file.read(LENGTH_BYTES)
            length = int.from_bytes(start, "little")
            size = os.fstat(file.fileno()).st_size
            if length > min(LARGEST_HEADER, size - LENGTH_BYTES):
                raise ShardError(
                    f"{path}: cannot be read as safetensors (a header of {length} bytes in a file of "
                    f"{size}); copy the file again"
                )
            return start + file.read(length)
    except ShardError:
        raise
    except OSError as error:
        raise ShardError(
            f"{path}: cannot be read ({error.strerror}); check the disk, or copy the file again"
        ) from error
