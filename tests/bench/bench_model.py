"""Time and memory of the network next to its plain twin (plain_model.py): same weights and draws, equal
outputs.

    python tests/bench/bench_model.py                          preset small on the CPU; about ten minutes
    python tests/bench/bench_model.py --large 96 96 96 --modes forward
    python tests/bench/bench_model.py --device cuda            preset walrus in bfloat16, eager and compiled

On the CPU both run in single precision and under autocast to bfloat16. Times are interleaved and medians
printed; a peak is what a process of its own holds beyond weights and input (Linux only). *At most* is the
plain twin's time over that of its floating-point operations alone, at the rate of a large matrix product in
single precision: no network that computes the same is faster by more. The plain twin keeps every attention
matrix for the backward pass: sixteen bytes times heads times tokens squared for each frame and block, so that
the large volume is for one frame and a forward pass.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch
from plain_model import Plain
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from shards.program.machine import keep_freed_memory
from shards.schema import Boundary
from walrus.model.random_draws import draw_shifts
from walrus.model.settings import PRESETS
from walrus.model.walrus import Walrus

CHANNELS = [3, 4, 5, 28]
BOUNDARIES = ((Boundary.WALL, Boundary.OPEN), (Boundary.PERIODIC,) * 2, (Boundary.PERIODIC,) * 2)
MODES = ("forward", "forward+backward")
HALF = ", bfloat16"
HEAD = f"""\
| frames | pass | plain | plain{HALF} | ours | ours{HALF} | faster, less memory | the same{HALF} | at most |
|---|---|---|---|---|---|---|---|---|"""
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
        return torch.randn(self.frames, self.windows, len(CHANNELS), *self.grid, generator=generator).to(
            device
        )


def twins(preset: str) -> tuple[Walrus, Plain]:
    """The network and its plain twin, the same in every process."""
    # New branches add next to nothing, so that a comparison of outputs would not see them.
    settings = replace(PRESETS[preset], branch_scale=1.0, drop_path=0.0, checkpoint_every=0)
    torch.manual_seed(0)
    model = Walrus(settings, 67)
    return model, Plain(model)


def passes(model: Walrus, plain: Plain, case: Case, mode: str) -> dict[str, Pass]:
    """A pass of each network in each precision, on the same input with the same shifts."""
    x = case.field("cpu")
    shifts = draw_shifts(model.settings, case.grid, BOUNDARIES, torch.Generator().manual_seed(1))

    def run(network: torch.nn.Module, half: bool) -> Tensor:
        with torch.set_grad_enabled(mode != "forward"):
            with torch.autocast("cpu", torch.bfloat16, enabled=half):
                y: Tensor = network(x, CHANNELS, BOUNDARIES, shifts)
            if mode != "forward":
                y.float().square().mean().backward()
                network.zero_grad(set_to_none=True)
        return y.detach().float()

    networks = {"plain": plain, "ours": model}
    return {
        name + half: partial(run, networks[name], bool(half)) for name, half in product(networks, ("", HALF))
    }


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


def interleaved(runs: dict[str, Pass], repeats: int) -> dict[str, float]:
    """The median time of each, measured in turn."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            found[name].append(seconds(run, "cpu"))
    return {name: median(values) for name, values in found.items()}


def peak_alone(preset: str, case: Case, mode: str, name: str) -> int:
    """The peak of one pass in a process of its own: what others freed would lie in its way.

    It is forked from a process that has loaded torch and computed nothing.
    """
    context = get_context("forkserver")
    context.set_forkserver_preload(["torch", "walrus.model.walrus"])
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(peak_here, preset, case, mode, name).result()


def peak_here(preset: str, case: Case, mode: str, name: str) -> int:
    run = passes(*twins(preset), case, mode)[name]
    run()
    return peak_bytes(run, "cpu")


def gap(one: Pass, other: Pass) -> float:
    """The largest difference of two outputs, in units of the RMS of the first."""
    x, y = one(), other()
    return float((x - y).abs().max() / x.square().mean().sqrt())


def on_cpu(options: argparse.Namespace) -> None:
    rate = matrix_rate(1024 if options.preset == "tiny" else 2048, "cpu", torch.float32)
    print(f"preset {options.preset}, torch {torch.__version__}, medians of {options.repeats}")
    print(
        f"{torch.get_num_threads()} threads, {rate / 1e9:.0f} GFLOP/s in single-precision products\n\n{HEAD}"
    )
    model, plain = twins(options.preset)
    keep_freed_memory()
    grids = ((*options.plane, 1), tuple(options.volume))
    todo = [(Case(words(grid), grid, options.frames, 1), mode) for grid in grids for mode in options.modes]
    for case, mode in [*todo, (Case(words(options.large), tuple(options.large), 1, 1), "forward")]:
        runs = passes(model, plain, case, mode)
        apart = {name: gap(runs["ours"], runs[name]) for name in ("plain", "ours" + HALF)}
        assert apart["plain"] < 2e-3, f"the outputs differ: {apart}"
        assert apart["ours" + HALF] < 0.3, f"the outputs differ: {apart}"
        peaks = {name: peak_alone(options.preset, case, mode, name) for name in runs}
        at_least = operations(runs["plain"]) / rate
        print(row(case, mode, interleaved(runs, options.repeats), peaks, at_least), flush=True)


def words(grid: Sequence[int]) -> str:
    return " x ".join(str(size) for size in grid if size > 1)


def row(case: Case, mode: str, times: dict[str, float], peaks: dict[str, int], at_least: float) -> str:
    """One row of the table: all four, and ours over the plain twin in single precision."""
    plain = times["plain"], peaks["plain"]
    each = [f"{times[name]:.2f} s, {peaks[name] / 2**30:.2f} GiB" for name in times]
    ratios = [
        f"{plain[0] / times[name]:.2f} x, {plain[1] / peaks[name]:.2f} x" for name in ("ours", "ours" + HALF)
    ]
    cells = (f"{case.frames} x {case.name}", mode, *each, *ratios, f"{plain[0] / at_least:.2f} x")
    return f"| {' | '.join(cells)} |"


def matrix_rate(size: int, device: str, dtype: torch.dtype) -> float:
    """Floating-point operations per second of a large product."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    times = [seconds(lambda: a @ b, device) for _ in range(20)]
    return 2 * size**3 / median(times[5:])


def on_gpu(options: argparse.Namespace) -> None:
    """Micro-batches as published: two windows of six frames of a plane, one of three frames of a volume."""
    rate = matrix_rate(8192, "cuda", torch.bfloat16)
    card = torch.cuda.get_device_name()
    print(f"{card}, torch {torch.__version__}, {rate / 1e12:.0f} TFLOP/s in bfloat16 products")
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
            reached = work[name] / spent
            print(f"{reached / 1e12:6.1f} TFLOP/s, {reached / rate:.0%} of the products' rate")


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
    """Floating-point operations of a pass, including those that the backward pass repeats."""
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu"
    )
    parser.add_argument("--preset", choices=list(PRESETS), default="small", help="on the CPU")
    parser.add_argument("--plane", type=int, nargs=2, default=(128, 128))
    parser.add_argument("--volume", type=int, nargs=3, default=(32, 32, 32))
    parser.add_argument("--large", type=int, nargs=3, default=(64, 64, 64), help="one frame, forward")
    parser.add_argument("--frames", type=int, default=3)
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
