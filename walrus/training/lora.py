"""Low-rank adapters: next to a matrix, the product of two thin matrices is trained (arXiv 2106.09685).

The matrix itself does not change, so that only the thin ones need gradients and optimiser state. At the end
of a run their product is added to it.

The reasons are in docs/decisions/0022-adapters.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

BASE, DOWN, UP = "base", "down", "up"


class LoraLinear(nn.Module):
    """A linear layer that is not trained, plus a product of rank `rank` that is, and starts at zero."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.base(x) + self.up(self.down(x))
        return y


def adapt(module: nn.Module, rank: int) -> None:
    """Replaces every linear layer inside `module` by one with an adapter."""
    linear = []
    for parent in module.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear):
                linear.append((parent, name, child))
    for parent, name, child in linear:
        setattr(parent, name, LoraLinear(child, rank))


def merged(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a network without adapters that computes the same."""
    plain: dict[str, Tensor] = {}
    for name, value in weights.items():
        stem, _, leaf = name.rpartition(".")
        layer, _, part = stem.rpartition(".")
        if part == BASE and f"{layer}.{UP}.weight" in weights:
            change = weights[f"{layer}.{UP}.weight"] @ weights[f"{layer}.{DOWN}.weight"]
            plain[f"{layer}.{leaf}"] = value + change if leaf == "weight" else value
        elif not (part in (DOWN, UP) and f"{layer}.{BASE}.weight" in weights):
            plain[name] = value
    return plain
