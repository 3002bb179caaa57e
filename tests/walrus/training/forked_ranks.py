"""What scripts that measure DeepSpeed with several ranks share: a network, and a process for each rank."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from torch import Tensor, nn


class Layers(nn.Module):
    """Linear layers of these widths; the loss is the mean square of the last one."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(widths)))

    def forward(self, x_BI: Tensor) -> Tensor:
        loss: Tensor = self.blocks(x_BI).square().mean()
        return loss


def run_forked(ranks: int, work: Callable[[int, Path], None]) -> bool:
    """Whether `work` of each rank, with a file by which they find each other, ended without an error."""
    with tempfile.TemporaryDirectory() as folder:
        children = []
        for rank in range(ranks):
            child = os.fork()
            if child == 0:
                work(rank, Path(folder) / "meeting")
                os._exit(0)
            children.append(child)
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return not any(codes)
