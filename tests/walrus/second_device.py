"""A second device that computes, for machines without a GPU.

Its tensors say that they are on `meta`; their numbers are on the CPU. What a GPU refuses is refused here:
tensors of two devices in one operation, and numpy arrays of its tensors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map, tree_map_only

SECOND = torch.device("meta")
# They take tensors of both devices: copies, and indices from the CPU.
MIXED = {"_to_copy", "copy_", "index", "index_put", "index_put_", "_index_put_impl_"}


class Elsewhere(Tensor):
    """A tensor of the second device."""

    @staticmethod
    def __new__(cls, held: Tensor) -> Elsewhere:
        return Tensor._make_wrapper_subclass(
            cls, held.shape, held.stride(), held.storage_offset(), dtype=held.dtype, device=SECOND
        )

    def __init__(self, held: Tensor) -> None:
        self.held = held

    def tolist(self) -> list:
        # Torch has none for tensors of other classes.
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _computed(func, args, kwargs or {})


class _Factories(TorchDispatchMode):
    """Also sees the functions that take no tensor and make one on the second device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _computed(func, args, kwargs or {})


def _computed(func, args, kwargs):
    """The operation on the CPU; its results are on the device that a GPU would leave them on."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, Elsewhere)]
    here = [tensor for tensor in tensors if not isinstance(tensor, Elsewhere) and tensor.dim() > 0]
    name = func.overloadpacket.__name__
    if there and here and name not in MIXED:
        raise RuntimeError(f"{name}: expected all tensors on one device, found two")
    device = kwargs.get("device")
    if device is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    stays = bool(there) if device is None else torch.device(device) == SECOND
    if name == "copy_":
        stays = isinstance(args[0], Elsewhere)
    results = func(*tree_map_only(Elsewhere, _held, args), **tree_map_only(Elsewhere, _held, kwargs))
    # What is changed in place stays the same object.
    known = {id(tensor.held): tensor for tensor in there}

    def placed(result):
        if not stays or not isinstance(result, Tensor):
            return result
        # A conjugate that is still to be computed would be known to the tensor on the CPU alone.
        return known[id(result)] if id(result) in known else Elsewhere(result.resolve_conj().resolve_neg())

    return tree_map(placed, results)


def _held(tensor: Elsewhere) -> Tensor:
    return tensor.held


@contextmanager
def second_device(*places: str) -> Iterator[None]:
    """Inside a `with`, the functions `device` at these places name the second device.

    Torch has no autocast for it: nothing is rounded.
    """
    with ExitStack() as patches, _Factories():
        for place in places:
            patches.enter_context(mock.patch(place, return_value=SECOND))
        patches.enter_context(mock.patch("torch.autocast", return_value=nullcontext()))
        yield
