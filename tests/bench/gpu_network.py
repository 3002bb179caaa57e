"""Stages of gpu_session.py about the network: the card, the published numbers, the step, where its time
goes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from gpu_common import BOUNDARIES, CHANNELS, VOCABULARY, Rows, Session, write
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.profiler import ProfilerActivity
from torch.profiler import profile as profiled
from torch.utils.flop_counter import FlopCounterMode

from walrus.model.random_draws import draw_shifts
from walrus.model.settings import PRESETS
from walrus.model.walrus import Walrus
from walrus.training.compiled_blocks import compile_blocks
from walrus.training.lora import adapt

# Words in the names of kernels, looked for in this order.
KINDS = {
    "attention": ("flash", "fmha", "attention", "softmax"),
    "products": ("gemm", "cutlass", "nvjet", "cublas", "mm_", "xmma", "conv", "wgrad", "dgrad"),
    "copies": ("memcpy", "memset", "copy_", "cat", "transpose"),
    "norms and pointwise": ("triton", "norm", "elementwise", "reduce", "vectorized", "adam", "multi_tensor"),
}


def product_rate(session: Session, size: int, dtype: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product."""
    a, b = (torch.randn(size, size, device=session.device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / session.seconds(lambda: a @ b, 10)


def card(session: Session) -> dict[str, Any]:
    """What the card can do: products in each precision, copies on it and onto it."""
    size = 512 if session.rehearse else 8192
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
    return {"name": name, "torch": torch.__version__, "rate": rows[0]["TFLOP/s or GB/s"] * 1e12, "rows": rows}


def golden(session: Session) -> dict[str, Any]:
    """The network against the published numbers: single precision within their tolerance, bfloat16 within 5
    %.
    """
    if session.golden is None:
        return {"rows": [{"case": "none", "said": "skipped: no --golden folder"}]}
    from tests.walrus.conftest import Golden

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
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
                "holds": gaps["float32"] <= tolerance and gaps["bfloat16"] <= 0.3 * size,
            }
        )
    return {"rows": rows}


def training_step(session: Session, model: Walrus, kind: str) -> Callable[[], Tensor]:
    """Forward, backward and AdamW in bfloat16 autocast, float32 weights: a step of one micro-batch."""
    x = session.field(kind)
    shifts = draw_shifts(
        model.settings, session.batches[kind][2], BOUNDARIES, torch.Generator().manual_seed(1)
    )
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


def operations(work: Callable[[], object]) -> int:
    """Floating-point operations of a pass, those done again in the backward pass included."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def compile_network(session: Session, model: Walrus) -> None:
    """Compiles every block: the part of the network that all tasks share."""
    compile_blocks(model.blocks, "eager" if session.rehearse else "inductor")


def step(session: Session) -> dict[str, Any]:
    """The step of 1.29 billion parameters: eager and compiled, with and without checkpointing, in 2D
    and 3D.
    """
    rate = 1e12 * json.loads((session.out / "card.json").read_text())["rows"][0]["TFLOP/s or GB/s"]
    rows: Rows = []
    # A rehearsal compiles nothing twice: tracing is most of its time.
    for checkpoint_every in (2,) if session.rehearse else (2, 0):
        settings = replace(session.large, checkpoint_every=checkpoint_every)
        model = Walrus(settings, VOCABULARY).to(session.device)
        # Counted before anything is compiled, which would hide the operations from the counter.
        flops = {kind: _operations(session, model, kind) for kind in session.batches}
        for compiled in (False, True):
            if compiled:
                compile_network(session, model)
            for kind in session.batches:
                rows.append(_step_row(session, model, kind, compiled, flops[kind], rate))
                # Kept after each row: a stage that is cut off still leaves those before.
                write(session, "step", {"rows": rows})
        del model
    return {"rows": rows}


def _operations(session: Session, model: Walrus, kind: str) -> int:
    """Of a step; 0 where memory does not suffice for one."""
    try:
        return operations(training_step(session, model, kind))
    except torch.OutOfMemoryError:
        model.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        return 0


def _step_row(
    session: Session, model: Walrus, kind: str, compiled: bool, flops: int, rate: float
) -> dict[str, Any]:
    every = model.settings.checkpoint_every
    row: dict[str, Any] = {
        "micro-batch": kind,
        "blocks": "compiled" if compiled else "eager",
        "recomputed": f"every {every}" if every else "nothing",
    }
    names = ("s", "GiB", "TFLOP/s", "of the product rate", "s of the first")
    work = training_step(session, model, kind)
    began = time.perf_counter()
    try:
        work()
        session.synchronise()
        first = time.perf_counter() - began
        seconds = session.seconds(work, 3 if session.rehearse else 6)
        peak = session.peak(work) / 2**30
    except torch.OutOfMemoryError:
        model.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        return row | dict.fromkeys(names, "out of memory")
    values = (seconds, peak, flops / seconds / 1e12, flops / seconds / rate, first)
    return row | dict(zip(names, values, strict=True))


def profile(session: Session) -> dict[str, Any]:
    """Where the time of one compiled step goes, by kernels; the rest of its duration is waiting for the
    host.
    """
    rows: Rows = []
    activities = [ProfilerActivity.CPU] + ([] if session.rehearse else [ProfilerActivity.CUDA])
    for kind in session.batches:
        model = Walrus(replace(session.large, checkpoint_every=2), VOCABULARY).to(session.device)
        if not session.rehearse:
            compile_network(session, model)
        work = training_step(session, model, kind)
        work()
        work()
        with profiled(activities=activities) as trace:
            began = time.perf_counter()
            work()
            session.synchronise()
            whole = time.perf_counter() - began
        trace.export_chrome_trace(str(session.out / f"step-{kind}.json.gz"))
        spent = dict.fromkeys([*KINDS, "other"], 0.0)
        for event in trace.key_averages():
            micros = event.self_cpu_time_total if session.rehearse else event.self_device_time_total
            name = event.key.lower()
            group = next(
                (group for group, words in KINDS.items() if any(word in name for word in words)), "other"
            )
            spent[group] += micros / 1e6
        shares = {f"{group} %": 100 * seconds / whole for group, seconds in spent.items()}
        rows.append({"micro-batch": kind, "s": whole} | shares | {"idle %": 100 - sum(shares.values())})
        del model, work
    return {"rows": rows}


def small(session: Session) -> dict[str, Any]:
    """The preset `small`, eager and compiled."""
    rows: Rows = []
    settings = replace(PRESETS["tiny" if session.rehearse else "small"], branch_scale=1.0)
    for compiled in (False,) if session.rehearse else (False, True):
        model = Walrus(settings, VOCABULARY).to(session.device)
        if compiled:
            compile_network(session, model)
        for kind in session.batches:
            seconds = session.seconds(training_step(session, model, kind), 5)
            rows.append({"micro-batch": kind, "blocks": "compiled" if compiled else "eager", "s": seconds})
    return {"rows": rows}


def lora(session: Session) -> dict[str, Any]:
    """Fine-tuning of the large model with adapters: time of a step, memory."""
    model = Walrus(replace(session.large, checkpoint_every=1), VOCABULARY)
    model.blocks.requires_grad_(False)
    adapt(model.blocks, 16)
    model = model.to(session.device)
    learned = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    rows: Rows = []
    for kind in session.batches:
        work = training_step(session, model, kind)
        rows.append(
            {
                "micro-batch": kind,
                "million parameters that learn": learned / 1e6,
                "s": session.seconds(work, 3),
                "GiB": session.peak(work) / 2**30,
            }
        )
    return {"rows": rows}


def checkpoint(session: Session) -> dict[str, Any]:
    """Weights and both moments of the large model, written as safetensors and read again."""
    model = Walrus(session.large, VOCABULARY).to(session.device)
    state = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
    path = session.out / "state.safetensors"
    size = sum(value.numel() * value.element_size() for value in state.values())
    began = time.perf_counter()
    save_file(state, path)
    written = time.perf_counter() - began
    began = time.perf_counter()
    load_file(path, device=str(session.device))
    session.synchronise()
    read = time.perf_counter() - began
    path.unlink()
    rows = [
        {"what": "written", "GB": size / 1e9, "s": written, "GB/s": size / written / 1e9},
        {"what": "read", "GB": size / 1e9, "s": read, "GB/s": size / read / 1e9},
    ]
    return {"rows": rows}
