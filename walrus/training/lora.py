"""Low-rank adapters: a matrix learns by a product of two thin ones next to it (arXiv 2106.09685).

The matrix itself rests, so that only the thin ones need gradients and optimiser state. What a run leaves is
merged.

The reasons are in docs/decisions/0022-adapters.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

BASE, DOWN, UP = "base", "down", "up"


class LoraLinear(nn.Module):
    """A linear layer at rest and a product of rank `rank` that learns; it begins as the layer itself."""

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
    """Puts an adapter in place of every linear layer below `module`."""
    linear = []
    for parent in module.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.Linear):
                linear.append((parent, name, child))
    for parent, name, child in linear:
        setattr(parent, name, LoraLinear(child, rank))


def merged(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of the network without adapters that computes the same."""
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
