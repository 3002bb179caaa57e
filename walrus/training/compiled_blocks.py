"""Compiles the blocks before the first step, into few graphs for all tasks.

The reasons are in docs/decisions/0079-few-graphs.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import CalledProcessError

import torch
from torch import nn

from shards.errors import SettingsError
from walrus.device import is_out_of_memory
from walrus.model.cost import window_cost
from walrus.model.random_draws import draw_paths
from walrus.model.settings import ModelSettings
from walrus.model.time_mixing import lag_buckets
from walrus.reading.plan import StreamPlan
from walrus.reading.stream import Shards

# The most graphs of a block. The 19 tasks of the published recipe need 3, and their validation 3 more. A run
# that needs more graphs ends with an error, instead of continuing without compiled blocks.
MOST_GRAPHS = 32


@dataclass(frozen=True, order=True)
class PassShape:
    """Frames, windows and tokens per frame of the input of a block."""

    frames: int
    windows: int
    tokens: int


def pass_shapes(
    settings: ModelSettings, plan: StreamPlan, shards: Shards, group_ranks: int
) -> set[PassShape]:
    """The shapes of the inputs that the blocks of a rank get in a run, with the strides of the table."""
    shapes = set()
    for task in plan.tasks:
        schema = shards.datasets[task.name].card.schema
        tokens = window_cost(settings, schema, task.history).tokens_per_frame
        shapes.add(PassShape(task.history, task.windows // group_ranks, tokens))
    return shapes


def compile_blocks(blocks: nn.ModuleList, backend: str | Callable[..., object] = "inductor") -> None:
    """Marks every block to be compiled; the blocks share their graphs, to which weights are arguments.

    The first pass then fails if a block is not one graph, or needs more than `MOST_GRAPHS`.
    """
    torch._dynamo.config.recompile_limit = MOST_GRAPHS
    for block in blocks:
        block.compile(fullgraph=True, backend=backend)


def warm_up(
    block: nn.Module,
    settings: ModelSettings,
    shapes: Iterable[PassShape],
    device: torch.device,
    autocast: torch.dtype | None,
) -> float:
    """Compiles a block for these shapes by a forward and a backward pass of each; returns the seconds.

    The passes are on zeros and leave no gradient. `autocast` is the precision of products; None: that of the
    weights. Raises SettingsError if this machine cannot compile.
    """
    began = time.perf_counter()
    with _able_to_compile():
        for shape in sorted(set(shapes)):
            _pass(block, settings, shape, device, autocast)
        block.zero_grad(set_to_none=True)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    return time.perf_counter() - began


def _pass(
    block: nn.Module,
    settings: ModelSettings,
    shape: PassShape,
    device: torch.device,
    autocast: torch.dtype | None,
) -> None:
    """A forward and a backward pass of a block on zeros of this shape."""
    paths = draw_paths(settings, shape.frames, shape.windows, torch.Generator())
    size = (shape.frames, shape.windows, shape.tokens, settings.hidden)
    x_TBSE = torch.zeros(size, device=device, requires_grad=True)
    pairs = settings.head_width // 2
    phases_SR2 = torch.ones(shape.tokens, pairs, 2, device=device)
    inputs = [lag_buckets(shape.frames, causal=settings.causal, device=device), phases_SR2]
    if settings.drop_path:
        paths = paths.to(x_TBSE)
        inputs += [paths.time_KB[0], paths.space_KTB[0]]
    with torch.autocast(device.type, autocast, enabled=autocast is not None):
        y_TBSE = block(x_TBSE, *inputs)
    y_TBSE.sum().backward()


@contextmanager
def _able_to_compile() -> Iterator[None]:
    """Turns an error of the compiler, which may lack a program or a header, into one that says what to do.

    Raises SettingsError; but running out of memory stays what it is.
    """
    try:
        yield
    except (RuntimeError, CalledProcessError) as error:
        if isinstance(error, RuntimeError) and is_out_of_memory(error):
            raise
        words = " ".join(line.strip() for line in str(error).splitlines() if line.strip())
        raise SettingsError(
            f"engine.compile: the blocks cannot be compiled ({words[:300]}); install what is missing (torch "
            "compiles with triton, a C compiler and Python's header files), or set engine.compile to false"
        ) from error
