"""Stages of gpu_session.py about kernels: where a step spends its time, attention, graphs, Muon."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from gpu_common import Rows, Session, write
from gpu_network import compile_network, training_step
from gpu_trace import busy_seconds, kernels, traced
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from walrus.model.attention import attend
from walrus.model.settings import PRESETS
from walrus.model.walrus import Walrus
from walrus.training.compiled_blocks import PassShape, warm_up
from walrus.training.muon import matrices_and_others, update_matrices

# Words in the names of kernels, looked for in this order. What the compiler has fused is named after all its
# operations, copies among them.
KINDS = {
    "compiled": ("triton",),
    "attention": ("flash", "fmha", "attention", "softmax", "sdpa"),
    "convolutions": ("conv", "fprop", "dgrad", "wgrad", "winograd"),
    "products": ("gemm", "cutlass", "nvjet", "cublas", "mm_", "xmma"),
    "copies": ("memcpy", "memset", "copy", "cat", "transpose", "tonhwc", "tonchw"),
    "norms and pointwise": ("norm", "elementwise", "reduce", "vectorized", "adam", "multi_tensor"),
}
# Words in the names of the kernels of each way to attend, looked for in this order: those of cuDNN may also
# be called flash. Without any it is plain products.
WAYS = {
    "cuDNN": (SDPBackend.CUDNN_ATTENTION, ("cudnn", "sdpa")),
    "flash": (SDPBackend.FLASH_ATTENTION, ("flash",)),
    "memory-efficient": (SDPBackend.EFFICIENT_ATTENTION, ("fmha",)),
    "plain products": (SDPBackend.MATH, ()),
}


def profile(session: Session) -> dict[str, Any]:
    """Where the time of a step goes, by kernels: the 2D one as it is, then both compiled.

    The first row is there also where nothing can be compiled, and shows what compiling changes.
    """
    model = session.network(replace(session.large, checkpoint_every=2))
    rows: Rows = []

    def add(kind: str, blocks: str) -> None:
        rows.append({"micro-batch": kind, "blocks": blocks} | _spent(session, model, kind, blocks))
        write(session, "profile", {"rows": rows})
        session.free()

    add("plane", "eager")
    if not session.rehearse:
        compile_network(session, model)
    for kind in session.batches:
        add(kind, "compiled")
    return {"rows": rows}


def _spent(session: Session, model: Walrus, kind: str, blocks: str) -> dict[str, float]:
    """Seconds of a step, and the share of each kind of kernels; the rest of its time the card is idle.

    The duration is that of steps without the profiler, which slows the host.
    """
    work = training_step(session, model, kind)
    whole = session.seconds(work, 2)
    trace = traced(session, work)
    trace.export_chrome_trace(str(session.out / f"step-{kind}-{blocks}.json.gz"))
    ran = list(kernels(session, trace))
    if not ran:
        raise RuntimeError("the profiler saw no kernel; it needs CUPTI, and the right to use it")
    spent = dict.fromkeys([*KINDS, "other"], 0.0)
    for kernel in ran:
        spent[_group(kernel.name)] += kernel.seconds
    shares = {f"{group} %": 100 * seconds / whole for group, seconds in spent.items()}
    # Kernels that run side by side count once.
    return {"s": whole} | shares | {"idle %": 100 * (1 - busy_seconds(ran) / whole)}


def _group(name: str) -> str:
    return next((group for group, words in KINDS.items() if any(word in name for word in words)), "other")


@dataclass(frozen=True)
class Attention:
    """One attention of the network; its length is that of tokens or frames, its bias that of time."""

    name: str
    sequences: int
    heads: int
    length: int
    width: int
    biased: bool

    def work(self, session: Session) -> Callable[[], object]:
        """Forward and backward pass of it, in bfloat16."""
        shape = (self.sequences, self.heads, self.length, self.width)
        half = {"device": session.device, "dtype": torch.bfloat16}
        heads = [torch.randn(shape, requires_grad=True, **half) for _ in range(3)]
        square = (self.heads, self.length, self.length)
        biases = [torch.randn(square, device=session.device, requires_grad=True)] if self.biased else []
        direction = torch.randn(shape, **half)

        def run() -> None:
            # Gradients that are kept would be added to, which takes as long as a short attention.
            torch.autograd.grad(attend(*heads, *biases), [*heads, *biases], direction)

        return run


def attentions(session: Session) -> Iterator[Attention]:
    """Those of the published micro-batches, for heads of 88 channels and of 68."""
    for preset in ("tiny",) if session.rehearse else ("walrus", "half"):
        settings = PRESETS[preset]
        for kind, (frames, windows, grid) in session.batches.items():
            tokens = math.prod(grid) // (64 if session.rehearse else 64 if kind == "plane" else 512)
            sizes = (windows * frames, settings.heads, tokens, settings.head_width)
            yield Attention(f"{preset}, {kind}, space", *sizes, biased=False)
            sizes = (windows * tokens, settings.heads, frames, settings.head_width)
            yield Attention(f"{preset}, {kind}, time", *sizes, biased=True)


def attention(session: Session) -> dict[str, Any]:
    """Which kernel each attention takes, forward and backward, and how long each other one would take."""
    rows: Rows = []
    for each in attentions(session):
        work = each.work(session)
        work()
        names = [kernel.name for kernel in kernels(session, traced(session, work))]
        row: dict[str, Any] = {"attention": each.name, "takes": _taken(names)}
        row["ms"] = 1e3 * session.seconds(work, 5)
        for way, (backend, _) in WAYS.items():
            row[f"{way} ms"] = _only(session, work, backend)
        rows.append(row)
        write(session, "attention", {"rows": rows})
        del work
        session.free()
    return {"rows": rows}


def _taken(names: list[str]) -> str:
    """The ways to attend that kernels of these names belong to; unknown if the profiler saw no kernel."""
    ways = sorted({way for way in map(_way, names) if way is not None})
    return ", ".join(ways) if ways else "plain products" if names else "unknown"


def _way(name: str) -> str | None:
    """The way to attend that a kernel of this name belongs to, if it does."""
    return next((way for way, (_, words) in WAYS.items() if any(word in name for word in words)), None)


def _only(session: Session, work: Callable[[], object], backend: SDPBackend) -> float | str:
    """Milliseconds with this kernel alone; a word where it does not take such an attention."""
    try:
        with sdpa_kernel(backend):
            return 1e3 * session.seconds(work, 5)
    except torch.OutOfMemoryError:
        return "out of memory"
    except RuntimeError:
        return "not taken"


def graphs(session: Session) -> dict[str, Any]:
    """How many graphs the tasks of the published recipe need, and how long compiling them takes."""
    # It reads the catalogue, whose packages no other stage of this module needs.
    from feeding_table import published_shapes

    rows: Rows = []
    settings = replace(session.large, blocks=1, checkpoint_every=0)
    model = session.network(settings)
    compile_network(session, model)
    shapes = [PassShape(*shape) for shape in published_shapes(PRESETS["walrus"])]
    if session.rehearse:
        shapes = [
            PassShape(frames, windows, tokens // 64)
            for frames, windows, tokens in published_shapes(PRESETS["walrus"])
        ]
    for what in ("before the first step", "in the steps after"):
        counters = torch._dynamo.utils.counters
        before = counters["stats"]["unique_graphs"]
        seconds = warm_up(model.blocks[0], settings, shapes, session.device, torch.bfloat16)
        rows.append(
            {
                "when": what,
                "shapes": len(set(shapes)),
                "graphs": counters["stats"]["unique_graphs"] - before,
                "breaks": sum(counters["graph_break"].values()),
                "s": seconds,
            }
        )
        write(session, "graphs", {"rows": rows})
    return {"rows": rows}


def muon(session: Session) -> dict[str, Any]:
    """Muon's update of all matrices of blocks, in batches as under ZeRO 0 or one by one, next to AdamW."""
    model = session.network(session.large)
    matrices = [nn.Parameter(matrix.detach()) for matrix in matrices_and_others(model.blocks)[0]]
    for matrix in matrices:
        matrix.grad = torch.randn_like(matrix)
    del model
    session.free()
    momenta: defaultdict[Tensor, dict[str, Tensor]] = defaultdict(dict)
    still = {"lr": 0.0, "weight_decay": 0.0}
    rows: Rows = []
    for name, update in (
        ("Muon, in batches", lambda: update_matrices(matrices, momenta, {**still, "momentum": 0.95})),
        ("Muon, one by one", torch.optim.Muon(matrices, **still).step),
        ("AdamW, fused", torch.optim.AdamW(matrices, fused=True, **still).step),
    ):
        rows.append({"optimiser": name, "matrices": len(matrices), "s": session.seconds(update, 3)})
        write(session, "muon", {"rows": rows})
    return {"rows": rows}
