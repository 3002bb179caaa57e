"""Stages of gpu_session.py about the network: card, published numbers, step, adapters, checkpoints."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from gpu_common import BOUNDARIES, CHANNELS, Rows, Session, write
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from walrus.model.random_draws import PatchJitter, draw_shifts
from walrus.model.settings import PRESETS
from walrus.model.walrus import Walrus
from walrus.training.checkpoint_writer import copies_of
from walrus.training.compiled_blocks import compile_blocks
from walrus.training.lora import adapt
from walrus.training.participation import MOMENTS
from walrus.training.run_checkpoint import Fragment

# The largest error of a single number, in units of the RMS of all, that bfloat16 may bring.
BFLOAT16_BOUND = 0.3


def product_size(session: Session) -> int:
    """Rows and columns of the product that is the measure of all others."""
    return 512 if session.rehearse else 8192


def product_rate(session: Session, size: int, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product."""
    a, b = (torch.randn(size, size, device=session.device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / session.seconds(lambda: a @ b, 10)


def card(session: Session) -> dict[str, Any]:
    """What the card can do: products in each precision, copies on it and onto it."""
    size = product_size(session)
    torch.backends.cuda.matmul.allow_tf32 = False
    rows: Rows = []
    for name, dtype, tf32 in (
        ("bfloat16", torch.bfloat16, False),
        ("TF32", torch.float32, True),
        ("float32", torch.float32, False),
    ):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        rate = product_rate(session, size, dtype)
        rows.append({"what": f"product of {size}, {name}", "TFLOP/s or GB/s": rate / 1e12})
    numbers = 2**20 if session.rehearse else 2**30
    there = torch.empty(numbers, dtype=torch.uint8, device=session.device)
    other = torch.empty_like(there)
    here = torch.empty(numbers, dtype=torch.uint8, pin_memory=not session.rehearse)
    for name, moved, copy in (
        ("copy on the card, read and written", 2, lambda: other.copy_(there)),
        ("copy onto the card, pinned", 1, lambda: there.copy_(here, non_blocking=True)),
    ):
        rows.append({"what": name, "TFLOP/s or GB/s": moved * numbers / session.seconds(copy, 5) / 1e9})
    name = "CPU (rehearsal)" if session.rehearse else torch.cuda.get_device_name()
    return {"name": name, "torch": torch.__version__, "rows": rows}


def golden(session: Session) -> dict[str, Any]:
    """The network against the published numbers: single precision within their tolerance, bfloat16 within
    a bound.
    """
    if session.golden is None:
        return {"rows": [{"case": "none", "said": "skipped: no --golden folder"}]}
    from tests.walrus.conftest import Golden

    numbers = Golden(session.golden)
    rows: Rows = []
    for entry in numbers.manifest["cases"]:
        if "y_f64" not in numbers.case(entry["name"]).tensors or "resize" in entry["name"]:
            continue
        if session.rehearse and entry["name"] != "plane_wall_128":
            continue
        case = numbers.case(entry["name"])
        model = numbers.model(torch.float32, case.released, "overlay" in entry["weights"]).to(session.device)
        x = case.field().float().to(session.device)
        gaps = {}
        for name in ("float32", "bfloat16"):
            half = torch.autocast(session.device.type, torch.bfloat16, enabled=name == "bfloat16")
            with torch.no_grad(), half:
                y = model(x, case.labels, case.boundaries, case.shifts)
            gaps[name] = (case.picked(y.cpu()).double() - case.tensors["y_f64"]).abs().max().item()
        size = case.tensors["y_f64"].square().mean().sqrt().item()
        tolerance = entry["suggested_tolerance"]["float32_abs"]
        rows.append(
            {
                "case": entry["name"],
                "float32: gap over tolerance": gaps["float32"] / tolerance,
                "bfloat16: gap over RMS": gaps["bfloat16"] / size,
                "holds": gaps["float32"] <= tolerance and gaps["bfloat16"] <= BFLOAT16_BOUND * size,
            }
        )
    return {"rows": rows}


def training_step(session: Session, model: Walrus, kind: str) -> Callable[[], Tensor]:
    """Forward, backward and AdamW in bfloat16 autocast, float32 weights: a step of one micro-batch."""
    x, shifts = session.field(kind), _shifts(session, model, kind)
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-5, fused=True)

    def step() -> Tensor:
        with torch.autocast(session.device.type, torch.bfloat16):
            loss = model(x, CHANNELS, BOUNDARIES, shifts).float().square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return step


def _shifts(session: Session, model: Walrus, kind: str) -> PatchJitter:
    generator = torch.Generator().manual_seed(1)
    return draw_shifts(model.settings, session.batches[kind][2], BOUNDARIES, generator)


def operations(work: Callable[[], object]) -> int:
    """Floating-point operations of a pass, those done again in the backward pass included."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def compile_network(session: Session, model: Walrus) -> None:
    """Compiles every block: the part of the network that all tasks share."""
    compile_blocks(model.blocks, "eager" if session.rehearse else "inductor")


def step(session: Session) -> dict[str, Any]:
    """The step of 1.29 billion parameters, compiled: with and without checkpointing, in 2D and 3D."""
    return _steps(session, "step", compiled=True)


def eager(session: Session) -> dict[str, Any]:
    """The same without compiling, as a stage of its own: what stops the compiler must not stop this one."""
    return _steps(session, "eager", compiled=False)


def _steps(session: Session, stage: str, compiled: bool) -> dict[str, Any]:
    """A row for each micro-batch, computed again in the backward pass or not; written one by one."""
    rate = product_rate(session, product_size(session), torch.bfloat16)
    rows: Rows = []
    model = session.network(session.large)
    # A rehearsal takes one of the two: tracing is most of its time.
    recomputed = (2,) if session.rehearse else (2, 0)
    flops = {}
    for every in recomputed:
        _recompute(model, every)
        for kind in session.batches:
            # Counted before anything is compiled, which would hide the operations from the counter.
            flops[every, kind] = _operations(session, model, kind)
    if compiled:
        compile_network(session, model)
    for every in recomputed:
        _recompute(model, every)
        for kind in session.batches:
            row = {"micro-batch": kind, "recomputed": f"every {every}" if every else "nothing"}
            rows.append(row | _timed_or_not(session, model, kind, flops[every, kind], rate))
            write(session, stage, {"rows": rows})
    return {"rows": rows}


def _recompute(model: Walrus, every: int) -> None:
    """Lets each `every`-th block be computed again in the backward pass, 0 for none."""
    model.settings = replace(model.settings, checkpoint_every=every)


def _operations(session: Session, model: Walrus, kind: str) -> tuple[int, int]:
    """Of a whole step, and of its forward pass three times: what training needs without computing again.

    The first is 0 where memory does not suffice.
    """
    model.eval()
    with torch.no_grad(), torch.autocast(session.device.type, torch.bfloat16):
        forward = operations(
            lambda: model(session.field(kind), CHANNELS, BOUNDARIES, _shifts(session, model, kind))
        )
    model.train()
    try:
        return operations(training_step(session, model, kind)), 3 * forward
    except torch.OutOfMemoryError:
        pass
    # Behind the handler, whose error holds what the pass has made.
    model.zero_grad(set_to_none=True)
    session.free()
    return 0, 3 * forward


def _timed_or_not(
    session: Session, model: Walrus, kind: str, flops: tuple[int, int], rate: float
) -> dict[str, float | str]:
    """The figures of a step, or words where memory does not suffice."""
    try:
        return _timed(session, training_step(session, model, kind), flops, rate)
    except torch.OutOfMemoryError:
        pass
    model.zero_grad(set_to_none=True)
    session.free()
    return dict.fromkeys(TIMED, "out of memory")


# The aim: at least half of the measured product rate.
TIMED = ("s", "GiB", "TFLOP/s", "of the product rate", "without what is done again", "s of the first")


def _timed(
    session: Session, work: Callable[[], Tensor], flops: tuple[int, int], rate: float
) -> dict[str, float | str]:
    began = time.perf_counter()
    work()
    session.synchronise()
    first = time.perf_counter() - began
    seconds = session.seconds(work, 3 if session.rehearse else 6)
    done, needed = flops
    values = (
        seconds,
        session.peak(work),
        done / seconds / 1e12,
        done / seconds / rate,
        needed / seconds / rate,
        first,
    )
    return dict(zip(TIMED, values, strict=True))


def small(session: Session) -> dict[str, Any]:
    """The preset `small`, eager and compiled."""
    rows: Rows = []
    settings = replace(PRESETS["tiny" if session.rehearse else "small"], branch_scale=1.0)
    for compiled in (False,) if session.rehearse else (False, True):
        model = session.network(settings)
        if compiled:
            compile_network(session, model)
        for kind in session.batches:
            seconds = session.seconds(training_step(session, model, kind), 5)
            rows.append({"micro-batch": kind, "blocks": "compiled" if compiled else "eager", "s": seconds})
            write(session, "small", {"rows": rows})
    return {"rows": rows}


def lora(session: Session) -> dict[str, Any]:
    """Fine-tuning of the large model with adapters: time of a step, memory."""
    model = session.network(replace(session.large, checkpoint_every=1))
    model.blocks.requires_grad_(False)
    with session.device:
        adapt(model.blocks, 16)
    learned = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    rows: Rows = []
    for kind in session.batches:
        work = training_step(session, model, kind)
        rows.append(
            {
                "micro-batch": kind,
                "million parameters that learn": learned / 1e6,
                "s": session.seconds(work, 3),
                "GiB": session.peak(work),
            }
        )
        # A session may be cut off in the next row.
        write(session, "lora", {"rows": rows})
    return {"rows": rows}


def checkpoint(session: Session) -> dict[str, Any]:
    """Weights and both moments of the large model: taken to the host as a run does, written, read again."""
    model = session.network(session.large)
    state = []
    for name, value in model.state_dict().items():
        state.append(Fragment("weight", name, 0, value.view(-1)))
        state += [Fragment(kind, name, 0, torch.zeros_like(value).view(-1)) for kind in MOMENTS]
    size = sum(piece.values.numel() * piece.values.element_size() for piece in state)
    rows: Rows = []

    def timed(what: str, work: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = work()
        session.synchronise()
        seconds = time.perf_counter() - began
        rows.append({"what": what, "GB": size / 1e9, "s": seconds, "GB/s": size / seconds / 1e9})
        write(session, "checkpoint", {"rows": rows})
        return result

    # Not below session.out, which is brought home whole, even from a session that was cut off here.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.safetensors"
        copies = timed("taken to the host, first time", lambda: copies_of(state, {}))
        timed("taken to the host, later", lambda: copies_of(state, copies))
        timed("written", lambda: save_file(copies, path))
        timed("read onto the card", lambda: load_file(path, device=str(session.device)))
    return {"rows": rows}
