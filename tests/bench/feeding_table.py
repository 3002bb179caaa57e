"""How fast a loader must be for the published recipe, and what Muon adds: tables of docs/scaling.md.

    python tests/bench/feeding_table.py         a minute
    python tests/bench/feeding_table.py --rate 312

Operations are counted by torch's own counter on tensors without data (torch's fake tensors): a forward pass
with jitter, times three for training. --rate is the matrix rate of a GPU in TFLOP/s, of which half is taken
to be reached. The default, 989, is what NVIDIA states for the H100 (dense bfloat16); an A100 has 312.
"""

from __future__ import annotations

import argparse
import math
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ingest.catalogue import find_recipe
from pipelines.dataset_facts import published
from shards.schema import Boundary, Schema
from walrus.batch import channels_of
from walrus.model.cost import BACKWARD, window_cost
from walrus.model.random_draws import draw_shifts
from walrus.model.settings import PRESETS, ModelSettings
from walrus.model.walrus import Walrus
from walrus.training.muon import matrices_and_others

RECIPE = Path(__file__).parents[2] / "pipelines" / "recipes" / "walrus.toml"
VOCABULARY = 67
NODE = 8
H100 = 989e12
REACHED = 0.5
CODECS = ("lz4", "zstd", "raw")
BENCHMARKS = Path(__file__).parents[2] / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Task:
    """A dataset of the recipe, with the frames of its history and the windows of one GPU."""

    name: str
    schema: Schema
    frames: int
    windows: int

    @property
    def axes(self) -> int:
        return len(self.schema.grid.axes)

    @property
    def window_bytes(self) -> float:
        """What is decoded for a window: the history and the frame that follows, in single precision."""
        return 4.0 * (self.frames + 1) * len(self.schema.channels) * math.prod(self.schema.grid.shape)


def tasks() -> Iterator[Task]:
    """The datasets of the published recipe, with the published history and share of a GPU."""
    for dataset in tomllib.loads(RECIPE.read_text(encoding="utf-8"))["datasets"]:
        schema = published(find_recipe(dataset["name"])).schema
        frames, windows = (3, 1) if len(schema.grid.axes) == 3 else (6, 2)
        yield Task(dataset["name"], schema, frames, windows)


def decoded_per_core(page: str) -> dict[tuple[int, str], float]:
    """Bytes of frames that one core decodes in a second, by axes and codec, from the page of benchmarks.

    They are windows per second of processor time (the last column but one) times the size of a window.
    """
    found, axes, size = {}, 0, 0.0
    for line in page.splitlines():
        heading = re.match(r"### ([23])D: windows of .*, ([\d.]+) MB$", line)
        if heading:
            axes, size = int(heading[1]), 1e6 * float(heading[2])
        row = re.match(rf"\| ours ({'|'.join(CODECS)}), zarr \|.*\| (\d+) \| \d+% \|$", line)
        if row:
            found[axes, row[1]] = size * float(row[2])
    return found


def published_shapes(settings: ModelSettings) -> list[tuple[int, int, int]]:
    """Frames, windows and tokens of a frame of one GPU's share of a micro-batch, for each task."""
    return [
        (task.frames, task.windows, window_cost(settings, task.schema, task.frames).tokens_per_frame)
        for task in tasks()
    ]


def training_operations(fake: FakeTensorMode, network: Walrus, task: Task) -> float:
    """Operations of training on one window, counted by torch; the network is one of these fake tensors."""
    thin = 3 - task.axes
    shape = (*task.schema.grid.shape, *(1,) * thin)
    sides = (*task.schema.boundaries, *((Boundary.PERIODIC,) * 2,) * thin)
    shifts = draw_shifts(network.settings, shape, sides, torch.Generator().manual_seed(1))
    channels = len(channels_of(task.schema))
    # Only in plain mathematics does torch count attention on a CPU.
    mathematics = sdpa_kernel(SDPBackend.MATH)
    with fake, FlopCounterMode(display=False) as counter, torch.no_grad(), mathematics:
        x = torch.empty(task.frames, 1, channels, *shape)
        network(x, range(3, 3 + channels), sides, shifts)
    return (1 + BACKWARD) * counter.get_total_flops()


def needed_of_node(task: Task, operations: float, product_rate: float) -> tuple[float, float]:
    """Windows per second that a GPU of this rate takes, and the decoded bytes per second of a node."""
    windows = REACHED * product_rate / operations
    return windows, NODE * windows * task.window_bytes


def iteration(rows: int, columns: int) -> None:
    """The five steps of Newton and Schulz that Muon takes for a matrix."""
    x = torch.empty(min(rows, columns), max(rows, columns))
    for _ in range(5):
        gram = x @ x.T
        x = x + (gram + gram @ gram) @ x


def muon_operations(fake: FakeTensorMode, network: Walrus) -> float:
    """Operations of Muon's iteration over all matrices of the network, once a step."""
    with fake, FlopCounterMode(display=False) as counter:
        for matrix in matrices_and_others(network)[0]:
            iteration(*matrix.shape)
    return float(counter.get_total_flops())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=H100 / 1e12, help="TFLOP/s of a GPU in bfloat16")
    parser.add_argument("--preset", choices=list(PRESETS), default="walrus")
    options = parser.parse_args()
    with FakeTensorMode() as fake:
        network = Walrus(PRESETS[options.preset], VOCABULARY).eval()
    print_tables(fake, network, options.rate * 1e12)


def print_tables(fake: FakeTensorMode, network: Walrus, product_rate: float) -> None:
    """A row a task, then Muon."""
    print("| task | TFLOP | MB | windows/s per GPU | GB/s per node | cores per node: lz4 | zstd | raw |")
    print("|---|---|---|---|---|---|---|---|")
    decoded = decoded_per_core(BENCHMARKS.read_text(encoding="utf-8"))
    whole = 0.0
    for task in tasks():
        operations = training_operations(fake, network, task)
        whole += operations * task.windows / 19
        print(task_row(task, operations, product_rate, decoded), flush=True)
    muon = muon_operations(fake, network)
    print(f"\nMean micro-batch of one GPU: {whole / 1e12:.0f} TFLOP. Muon: {muon / 1e12:.1f} TFLOP a step.")


def task_row(
    task: Task, operations: float, product_rate: float, decoded: dict[tuple[int, str], float]
) -> str:
    """The row of a task in the table of the page; a window of it takes `operations`."""
    rate, needed = needed_of_node(task, operations, product_rate)
    cores = " | ".join(f"{needed / decoded[task.axes, codec]:.2f}" for codec in CODECS)
    size = f"{operations / 1e12:.1f} | {task.window_bytes / 1e6:.1f}"
    return f"| {task.name} | {size} | {rate:.2f} | {needed / 1e9:.2f} | {cores} |"


if __name__ == "__main__":
    main()
