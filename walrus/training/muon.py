"""Muon's update of whole matrices: those of one shape together, in single precision on a CPU.

Source: DeepSpeed's Muon, which does the same one by one and always in bfloat16. Why not that:
docs/decisions/0160-muon-in-batches.md. Axes: N matrices, R rows, C columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

# Coefficients of the iteration, for the largest slope at zero (https://kellerjordan.github.io/posts/muon/).
SLOPE = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
MOMENTUM = "momentum_buffer"
# The most bytes of matrices of one shape that are updated together: docs/decisions/0178-muon-in-pieces.md.
LARGEST_PIECE = 64 * 2**20
# So many times the bytes of a piece exist at once: the directions, the iterate before and after, two squares.
WORK = 5


def matrices_and_others(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The weights of linear layers, which Muon updates, and every other parameter."""
    linear = {id(layer.weight) for layer in module.modules() if isinstance(layer, nn.Linear)}
    parameters = list(module.parameters())
    return [p for p in parameters if id(p) in linear], [p for p in parameters if id(p) not in linear]


def move(weights: Tensor, update: Tensor, group: dict[str, Any]) -> None:
    """Subtracts an update from weights, in place, by the rate and the decay of their group."""
    weights.mul_(1 - group["lr"] * group["weight_decay"])
    weights.add_(update, alpha=-group["lr"])


@torch.no_grad()
def update_matrices(matrices: Sequence[Tensor], state: Any, group: dict[str, Any]) -> None:
    """A step of Muon, in place, for the matrices that have a gradient; `state` keeps the momentum of each.

    Next to the matrices it holds at most WORK times LARGEST_PIECE bytes, or WORK times one larger matrix.
    """
    of_shape: dict[torch.Size, list[Tensor]] = {}
    for matrix in matrices:
        if matrix.grad is not None:
            of_shape.setdefault(matrix.shape, []).append(matrix)
    for alike in of_shape.values():
        together = max(1, LARGEST_PIECE // (alike[0].numel() * alike[0].element_size()))
        for first in range(0, len(alike), together):
            _update_piece(alike[first : first + together], state, group)


def _update_piece(matrices: Sequence[Tensor], state: Any, group: dict[str, Any]) -> None:
    updates_NRC = orthogonalise(torch.stack([_direction(each, state[each], group) for each in matrices]))
    for matrix, update_RC in zip(matrices, updates_NRC, strict=True):
        move(matrix, update_RC, group)


def _direction(matrix: Tensor, kept: Any, group: dict[str, Any]) -> Tensor:
    """The gradient of a matrix, mixed with its momentum, which moves on."""
    gradient = matrix.grad
    assert gradient is not None
    if MOMENTUM not in kept:
        kept[MOMENTUM] = torch.zeros_like(matrix)
    momentum = kept[MOMENTUM].lerp_(gradient, 1 - group["momentum"])
    return torch.lerp(gradient, momentum, group["momentum"])


def orthogonalise(matrices_NRC: Tensor) -> Tensor:
    """[N, R, C] with singular values near 1, times sqrt(R / C) for matrices with more rows than columns.

    The singular vectors stay. The values end between about 0.5 and 1.3, which is near enough for training.

    >>> before = torch.diag(torch.tensor([1.0, 2.0, 3.0]))
    >>> [round(value, 1) for value in torch.linalg.svdvals(orthogonalise(before[None])[0]).tolist()]
    [1.1, 0.7, 0.7]
    """
    rows, columns = matrices_NRC.shape[1:]
    # A CPU without instructions for bfloat16 takes twenty times as long for it.
    x = matrices_NRC if matrices_NRC.device.type == "cpu" else matrices_NRC.bfloat16()
    x = x.mT.contiguous() if rows > columns else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = SLOPE
    for _ in range(ITERATIONS):
        square = torch.bmm(x, x.mT)
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=b, alpha=c), x, beta=a)
    x = x.mT if rows > columns else x
    return x.to(matrices_NRC.dtype) * math.sqrt(max(1, rows / columns))
