"""What the stages of gpu_session.py share: where they run, how large, how they measure."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from shards.schema import Boundary
from walrus.model.settings import PRESETS, ModelSettings
from walrus.model.walrus import Walrus

CHANNELS = [3, 4, 5, 28]
BOUNDARIES = ((Boundary.WALL, Boundary.OPEN), (Boundary.PERIODIC,) * 2, (Boundary.PERIODIC,) * 2)
VOCABULARY = 67
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Session:
    """Where and how large: on the GPU the published sizes, in a rehearsal small ones on the CPU."""

    out: Path
    golden: Path | None
    rehearse: bool

    @property
    def device(self) -> torch.device:
        return torch.device("cpu" if self.rehearse else "cuda")

    @property
    def large(self) -> ModelSettings:
        settings = PRESETS["tiny" if self.rehearse else "walrus"]
        # New branches add next to nothing: with 1 the products see ordinary numbers.
        return replace(settings, branch_scale=1.0)

    @property
    def batches(self) -> dict[str, tuple[int, int, tuple[int, int, int]]]:
        """Frames, windows, grid of the published micro-batch of one GPU, in 2D and in 3D."""
        if self.rehearse:
            return {"plane": (3, 2, (32, 24, 1)), "volume": (2, 1, (16, 12, 8))}
        return {"plane": (6, 2, (256, 256, 1)), "volume": (3, 1, (128, 128, 128))}

    def network(self, settings: ModelSettings) -> Walrus:
        """A network that trains, made where it is used: 1.29 billion numbers drawn on a CPU take long."""
        with self.device:
            return Walrus(settings, VOCABULARY).train()

    def free(self) -> None:
        """Gives the memory of what is no longer used back to the card, before something large is made."""
        gc.collect()
        if not self.rehearse:
            torch.cuda.empty_cache()

    def field(self, kind: str) -> Tensor:
        frames, windows, grid = self.batches[kind]
        generator = torch.Generator().manual_seed(0)
        return torch.randn(frames, windows, len(CHANNELS), *grid, generator=generator).to(self.device)

    def synchronise(self) -> None:
        if not self.rehearse:
            torch.cuda.synchronize()

    def seconds(self, work: Callable[[], object], repeats: int) -> float:
        """The median time of `work`, after one pass that warms up; a rehearsal times it once."""
        work()
        times = []
        for _ in range(1 if self.rehearse else repeats):
            self.synchronise()
            began = time.perf_counter()
            work()
            self.synchronise()
            times.append(time.perf_counter() - began)
        return median(times)

    def peak(self, work: Callable[[], object]) -> float | str:
        """The most bytes held at once during `work`, in GiB; on a CPU it is not known."""
        if self.rehearse:
            return "unknown"
        torch.cuda.reset_peak_memory_stats()
        work()
        return torch.cuda.max_memory_allocated() / 2**30


def write(session: Session, name: str, found: dict[str, Any]) -> None:
    """Keeps what a stage has found so far."""
    (session.out / f"{name}.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
