"""Reads a safetensors file from anywhere: what its header says is believed once the file can hold it.

The library checks the header against the length of the file. What it does not bound is the header itself, of
which a hundred megabytes are read and parsed before anything else.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from shards.disk import open_regular
from shards.errors import ShardError

# Some 100 bytes for each tensor and each fragment: those of the published model take 0.2 MB.
LARGEST_HEADER = 16 * 10**6


def load_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU; raises ShardError where it is not safetensors."""
    require_header(path)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ShardError(f"{path}: cannot be read as safetensors ({error})") from error


def require_header(path: Path) -> None:
    """Raises ShardError where there is no such file, or its header is too long for the file or for us."""
    try:
        with open_regular(path) as file:
            length = int.from_bytes(file.read(8), "little")
    except OSError as error:
        raise ShardError(f"{path}: cannot be read ({error.strerror})") from error
    size = path.stat().st_size
    if length > min(LARGEST_HEADER, size - 8):
        raise ShardError(
            f"{path}: cannot be read as safetensors (a header of {length} bytes in a file of {size}); copy "
            "the file again"
        )
