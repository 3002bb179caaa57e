"""Read checkpoint files of the release, without running code from them; write safetensors."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from shards.disk import write_atomically
from shards.errors import MismatchError, ShardError
from walrus.weights_file import load_weights

# The keys under which a file of the release holds its weights; a bare state dict is read too.
NESTING = ("app", "model")


def read_release(path: Path) -> dict[str, Tensor]:
    """The weights by their published names, in single precision.

    The file is a torch file or safetensors. Raises ShardError if it cannot be read without running code,
    MismatchError if it holds something other than named tensors.
    """
    content: Any = load_weights(path).tensors if path.suffix == ".safetensors" else _read_torch(path)
    for name in NESTING:
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise MismatchError(
            f"{path}: has no table of tensors, neither at the top nor in {' -> '.join(NESTING)}; "
            "expected the state of a Walrus; name another file"
        )
    return {str(name): tensor.float() for name, tensor in content.items()}


def write_release(path: Path, state: dict[str, Tensor]) -> None:
    """Writes weights by their published names, as safetensors."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, save({name: tensor.contiguous() for name, tensor in state.items()}))


def _read_torch(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise ShardError(
            f"{path}: has objects besides tensors, which could run code; "
            "save only the state dict and convert that"
        ) from error
    except (OSError, RuntimeError) as error:
        raise ShardError(f"{path}: cannot be read as a torch file ({error}); fetch the file again") from error
