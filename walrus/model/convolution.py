"""Strided convolution and its transpose, with one kernel for grids of one, two or three dimensions.

Axes: N frames, I channels in, O channels out, H W D cells.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv3d_input

from walrus.model.geometry import Stages
from walrus.model.padding import wrap


def kernel_parameter(*shape: int) -> nn.Parameter:
    """A new kernel, initialised as in PyTorch's convolutions: uniform within ±1 / sqrt(fan in)."""
    bound = 1 / math.sqrt(math.prod(shape[1:]))
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


def convolve(x_NIHWD: Tensor, kernel_OIHWD: Tensor, stages: Stages) -> Tensor:
    """A strided convolution: [N, I, H, W, D] to [N, O, ...], with a stage for each axis.

    Along an axis of size 1 the kernel is summed, as if the data were constant along that axis.
    """
    for dim, stage in enumerate(stages, start=2):
        x_NIHWD = wrap(x_NIHWD, dim, stage.wrap, stage.wrap)
    flat = _flat_axes(stages)
    kernel = kernel_OIHWD.sum(flat, keepdim=True) if flat else kernel_OIHWD
    strides = [stage.stride for stage in stages]
    if not flat:
        return functional.conv3d(x_NIHWD, kernel, stride=strides)
    # A convolution in two dimensions is several times faster than one in three with an axis of size 1.
    dim = flat[0]
    del strides[dim - 2]
    return functional.conv2d(x_NIHWD.squeeze(dim), kernel.squeeze(dim), stride=strides).unsqueeze(dim)


def convolve_back(x_NIHWD: Tensor, kernel_IOHWD: Tensor, stages: Stages) -> Tensor:
    """The transposed convolution: [N, I, H, W, D] to [N, O, ...], with a stage for each axis.

    Along an axis of size 1 the kernel is averaged: the output is the mean of a constant column.
    """
    for dim, stage in enumerate(stages, start=2):
        x_NIHWD = wrap(x_NIHWD, dim, stage.unwrap, stage.unwrap)
    flat = _flat_axes(stages)
    kernel = kernel_IOHWD.mean(flat, keepdim=True) if flat else kernel_IOHWD
    strides, crops = [stage.stride for stage in stages], [stage.crop for stage in stages]
    if not flat:
        return _convolve_volume_back(x_NIHWD, kernel, strides, crops)
    dim = flat[0]
    del strides[dim - 2], crops[dim - 2]
    y = functional.conv_transpose2d(x_NIHWD.squeeze(dim), kernel.squeeze(dim), stride=strides, padding=crops)
    return y.unsqueeze(dim)


def _convolve_volume_back(
    x_NIHWD: Tensor, kernel_IOHWD: Tensor, strides: list[int], crops: list[int]
) -> Tensor:
    """The transposed convolution in three dimensions."""
    if x_NIHWD.device.type != "cpu":
        return functional.conv_transpose3d(x_NIHWD, kernel_IOHWD, stride=strides, padding=crops)
    # On a CPU the gradient of a convolution, which is the same sum, is three times as fast.
    rows = zip(x_NIHWD.shape[2:], kernel_IOHWD.shape[2:], strides, crops, strict=True)
    cells = [(size - 1) * stride + kernel - 2 * crop for size, kernel, stride, crop in rows]
    shape = [len(x_NIHWD), kernel_IOHWD.shape[1], *cells]
    y: Tensor = conv3d_input(shape, kernel_IOHWD, x_NIHWD, stride=strides, padding=crops)
    return y


def _flat_axes(stages: Stages) -> list[int]:
    return [dim for dim, stage in enumerate(stages, start=2) if stage.kernel == 1]
