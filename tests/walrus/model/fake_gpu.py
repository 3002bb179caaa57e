"""Passes on fake CUDA tensors: shapes and precisions of a GPU without one, and nothing is computed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only


class _OnCpu(TorchFunctionMode):
    """Does on fake CPU tensors what would ask for a real GPU and rounds nothing."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is Tensor.__setitem__:
            return None
        if function not in (Tensor.__getitem__, Tensor.__invert__, Tensor.contiguous):
            return function(*args, **(kwargs or {}))
        here = tree_map_only(Tensor, lambda tensor: tensor.to("cpu"), args)
        return function(*here).to("cuda:0")


@contextmanager
def fake_gpu(autocast: bool) -> Iterator[None]:
    """Inside a `with`, tensors are fake; those on `cuda` follow the rules of autocast to bfloat16, if asked.

    torch.autocast("cuda") turns itself off on a machine without a GPU, so its switches are set by hand.
    Nothing is differentiated: autograd asks for the real device. So does a build of torch for CUDA before it
    chooses a kernel: without a GPU, the test is skipped there.
    """
    if torch.backends.cuda.is_built() and not torch.cuda.is_available():
        pytest.skip("this build of torch asks for a GPU even where tensors are fake; the CPU build does not")
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", autocast)
    torch.set_autocast_dtype("cuda", torch.bfloat16)
    try:
        with FakeTensorMode(), torch.no_grad(), _OnCpu(), warnings.catch_warnings():
            # The network switches autocast off for its last layer, which warns where there is no GPU.
            warnings.filterwarnings("ignore", message="User provided device_type of 'cuda'")
            yield
    finally:
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])


def on_fake_gpu(module: nn.Module, *inputs: object) -> object:
    """What a module on `meta` returns with weights on the fake GPU."""
    every = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    there = {
        name: torch.empty(value.shape, dtype=value.dtype, device="cuda") for name, value in every.items()
    }
    return torch.func.functional_call(module, there, inputs)
