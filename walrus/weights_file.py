"""Reads an untrusted safetensors file: its header is used only if the file is as long as it says.

The library checks the header against the length of the file. What it does not bound is the header itself, of
which a hundred megabytes are read and parsed before anything else.
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

# Some 100 bytes for each tensor and each fragment: those of the published model take 0.2 MB.
LARGEST_HEADER = 16 * 10**6
PIECE_BYTES = 8 * 2**20
# The length of the header comes first.
LENGTH_BYTES = 8


@dataclass(frozen=True)
class Weights:
    """The tensors of a file by name, on the CPU, and the checksum of the file that they were read from."""

    tensors: dict[str, Tensor]
    crc32c: int


def load_weights(path: Path) -> Weights:
    """What a file holds, which is read once.

    Raises ShardError where it is not safetensors, or a tensor differs from its checksum, if it has one.
    """
    crc32c = google_crc32c.value(header(path))
    tensors = {}
    try:
        with safe_open(path, framework="pt") as file:
            wanted = file.metadata() or {}
            # Behind the header are the tensors without a gap: the library refuses any other file.
            for name in file.offset_keys():
                values = file.get_tensor(name)
                if wanted.get(name) not in (None, checksum(values)):
                    raise ShardError(f"{path}: {name} differs from its checksum; remove the file")
                tensors[name] = values
                crc32c = google_crc32c.extend(crc32c, _bytes(values))
    except ShardError:
        raise
    except (OSError, SafetensorError) as error:
        raise ShardError(f"{path}: cannot be read as safetensors ({error})") from error
    return Weights(tensors, crc32c)


def checksums(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The checksum of each tensor, as metadata of the file that they are written to."""
    return {name: checksum(values) for name, values in tensors.items()}


def checksum(values: Tensor) -> str:
    """The crc32c of the bytes of a tensor, in hexadecimal digits."""
    whole, crc32c = _bytes(values), 0
    # The library holds Python's lock: in pieces, so that training goes on next to it.
    for start in range(0, len(whole), PIECE_BYTES):
        crc32c = google_crc32c.extend(crc32c, whole[start : start + PIECE_BYTES])
    return f"{crc32c:08x}"


def _bytes(values: Tensor) -> npt.NDArray[np.uint8]:
    """As a file has them."""
    found: npt.NDArray[np.uint8] = values.detach().contiguous().view(-1).view(torch.uint8).numpy()
    return found


def header(path: Path) -> bytes:
    """The length of the header, and the header: names, shapes and places of the tensors.

    Raises ShardError where there is no such file, or the header is too long for the file or for us.
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
        raise ShardError(f"{path}: cannot be read ({error.strerror})") from error
