"""Where a parameter is in a flat tensor of the engine."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from walrus.training.run_checkpoint import Fragment


@dataclass(frozen=True)
class ParameterSlot:
    """`count` elements of a parameter, from `start` on: they are at `offset` of the tensor `flat`."""

    name: str
    parameter: nn.Parameter
    flat: Tensor
    offset: int
    start: int
    count: int

    def of(self, flat: Tensor) -> Tensor:
        """This stretch of a tensor that is laid out as `flat`: a view if that tensor is contiguous."""
        return flat.reshape(-1).narrow(0, self.offset, self.count)

    def fragment(self, kind: str, flat: Tensor) -> Fragment:
        """This stretch of a tensor that is laid out as `flat`, as a checkpoint has it."""
        return Fragment(kind, self.name, self.start, flat.view(-1).narrow(0, self.offset, self.count))
