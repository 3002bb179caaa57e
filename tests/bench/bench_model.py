"""Time and memory of the network beside its plain twin (plain_model.py): same weights, same chance, equal outputs.

    python tests/bench/bench_model.py                             preset small on the CPU; about seven minutes
    python tests/bench/bench_model.py --volume 64 64 64 --modes forward
    python tests/bench/bench_model.py --device cuda               preset walrus in bfloat16, eager and compiled

Repeats are interleaved and medians printed. On the CPU the peak is what the process holds beyond its weights and
input (Linux only). The plain twin keeps every attention matrix for the backward pass: sixteen bytes times heads times
tokens squared for each frame and block, so that volumes of 64 cells an axis are for forward passes.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch
from plain_model import Plain
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from shards.machine import keep_freed_memory
from shards.spec import Boundary
from walrus.model.chance import draw_shifts
from walrus.model.settings import PRESETS
from walrus.model.walrus import Walrus

CHANNELS = [3, 4, 5, 28]
BOUNDARIES = ((Boundary.WALL, Boundary.OPEN), (Boundary.PERIODIC,) * 2, (Boundary.PERIODIC,) * 2)
MODES = ("forward", "forward+backward")
Pass = Callable[[], Tensor]


@dataclass(frozen=True)
class Case:
    """One input: T frames of B windows on a grid."""

    name: str
    grid: tuple[int, int, int]
    frames: int
    windows: int

    def field(self, device: str) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return torch.randn(self.frames, self.windows, len(CHANNELS), *self.grid, generator=generator).to(device)


def passes(model: Walrus, plain: Plain, case: Case, mode: str) -> dict[str, Pass]:
    """A pass of the network and one of its plain twin, on the same input with the same shifts."""
    x = case.field("cpu")
    shifts = draw_shifts(model.settings, case.grid, BOUNDARIES, torch.Generator().manual_seed(1))

    def run(network: torch.nn.Module) -> Tensor:
        with torch.set_grad_enabled(mode != "forward"):
            y: Tensor = network(x, CHANNELS, BOUNDARIES, shifts)
            if mode != "forward":
                y.square().mean().backward()
                network.zero_grad(set_to_none=True)
        return y.detach()

    return {"plain": lambda: run(plain), "walrus": lambda: run(model)}


def seconds(run: Pass, device: str) -> float:
    synchronise(device)
    began = time.perf_counter()
    run()
    synchronise(device)
    return time.perf_counter() - began


def synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def peak_bytes(run: Pass, device: str) -> int:
    """The most that a pass holds at once beyond what was held before it."""
    gc.collect()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        return torch.cuda.max_memory_allocated() - before
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    run()
    return resident("VmHWM") - before


def resident(row: str) -> int:
    """A row of the process's status, in bytes."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(row)]
    return 1024 * int(line.split()[1])


def interleaved(both: dict[str, Pass], measure: Callable[[Pass, str], float], repeats: int) -> dict[str, float]:
    """The median of each, measured in turn."""
    found: dict[str, list[float]] = {name: [] for name in both}
    for _ in range(repeats):
        for name, run in both.items():
            found[name].append(measure(run, "cpu"))
    return {name: median(values) for name, values in found.items()}


def gap(both: dict[str, Pass]) -> float:
    """The largest difference of the two outputs, in units of their RMS."""
    plain, ours = both["plain"](), both["walrus"]()
    return float((plain - ours).abs().max() / ours.square().mean().sqrt())


def on_cpu(options: argparse.Namespace) -> None:
    print(f"CPU, {torch.get_num_threads()} threads, torch {torch.__version__}, medians of {options.repeats}")
    # New branches add next to nothing, so that a comparison of outputs would not see them.
    settings = replace(PRESETS[options.preset], branch_scale=1.0, drop_path=0.0, checkpoint_every=0)
    torch.manual_seed(0)
    model = Walrus(settings, 67)
    plain, pairs = Plain(model), {}
    for grid in ((*options.plane, 1), tuple(options.volume)):
        name = " x ".join(str(size) for size in grid if size > 1)
        for mode in options.modes:
            pairs[name, mode] = passes(model, plain, Case(name, grid, options.frames, options.windows), mode)
    differences = {key: gap(both) for key, both in pairs.items()}
    assert max(differences.values()) < 2e-3, f"the outputs differ: {differences}"
    peaks = {key: interleaved(both, peak_bytes, options.repeats) for key, both in pairs.items()}
    # As in training; peaks could not be told apart with it.
    keep_freed_memory()
    for key, both in pairs.items():
        tell(key, interleaved(both, seconds, options.repeats), peaks[key], differences[key])


def tell(key: tuple[str, str], times: dict[str, float], peaks: dict[str, float], difference: float) -> None:
    """Two lines for the two networks, and one for their ratio."""
    head = "{:16} {:17}".format(*key)
    for name in times:
        print(f"{head} {name:7} {times[name]:8.2f} s {peaks[name] / 2**30:8.2f} GiB")
    faster, leaner = (rows["plain"] / rows["walrus"] for rows in (times, peaks))
    print(f"{head} {faster:.2f} x faster, {leaner:.2f} x leaner; outputs equal to {difference:.0e} of their RMS")


def matrix_rate(size: int = 8192) -> float:
    """Floating-point operations a second of a large product in bfloat16."""
    a, b = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    times = [seconds(lambda: a @ b, "cuda") for _ in range(20)]
    return 2 * size**3 / median(times[5:])


def on_gpu(options: argparse.Namespace) -> None:
    """Micro-batches as published: two windows of six frames of a plane, one of three frames of a volume."""
    rate = matrix_rate()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {rate / 1e12:.0f} TFLOP/s in bfloat16 products")
    cases = [Case("256 x 256", (256, 256, 1), 6, 2), Case("128 x 128 x 128", (128, 128, 128), 3, 1)]
    model = Walrus(replace(PRESETS["walrus"], branch_scale=1.0), 67).cuda()
    micro_batches = {case.name: micro_batch(model, case, "cuda") for case in cases}
    work = {name: operations(run) for name, run in micro_batches.items()}
    for way in ("eager", "compiled"):
        if way == "compiled":
            for block in model.blocks:
                block.compile(fullgraph=True)
        for name, run in micro_batches.items():
            run()
            peak = peak_bytes(run, "cuda") / 2**30
            spent = median(seconds(run, "cuda") for _ in range(max(5, options.repeats)))
            print(f"{name:16} {way:8} {spent:7.3f} s, {peak:5.1f} GiB beyond the weights", end=", ")
            print(f"{work[name] / spent / 1e12:6.1f} TFLOP/s, {work[name] / spent / rate:.0%} of the products' rate")


def micro_batch(model: Walrus, case: Case, device: str) -> Pass:
    """Forward and backward in bfloat16, with the checkpointing of the preset."""
    x = case.field(device)
    shifts = draw_shifts(model.settings, case.grid, BOUNDARIES, torch.Generator().manual_seed(1))

    def run() -> Tensor:
        with torch.autocast(device, torch.bfloat16):
            loss = model(x, CHANNELS, BOUNDARIES, shifts).square().mean()
        loss.backward()
        model.zero_grad(set_to_none=True)
        return loss.detach()

    return run


def operations(run: Pass) -> int:
    """Floating-point operations of a pass, those done again in the backward pass included."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--preset", choices=list(PRESETS), default="small", help="on the CPU")
    parser.add_argument("--plane", type=int, nargs=2, default=(128, 128))
    parser.add_argument("--volume", type=int, nargs=3, default=(32, 32, 32))
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--windows", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    options = parser.parse_args()
    if options.device == "cuda":
        on_gpu(options)
    elif sys.platform == "linux":
        on_cpu(options)
    else:
        sys.exit("the peak of memory is read from /proc: run this on Linux")


if __name__ == "__main__":
    main()
