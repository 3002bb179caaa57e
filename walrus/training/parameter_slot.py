"""Where a parameter is within a flat tensor of the engine."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from walrus.training.run_checkpoint import Fragment


@dataclass(frozen=True)
class Slot:
    """Elements `start` ... of a parameter are at `offset` ... of `flat`, which the optimiser knows."""

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
