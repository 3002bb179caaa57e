"""How much memory a rank needs for the published model, counted: the table of docs/scaling.md.

    python tests/bench/memory_table.py

What the backward pass keeps is counted on tensors without data (torch's fake tensors): every storage that
autograd saves for the published micro-batch of one GPU, in single precision and under autocast to bfloat16.
State is float32 weights, gradients, the moments of the optimiser, and buffers for what ranks exchange; from
ZeRO stage 1 on the optimiser has a copy of the weights of its own. A test counts it on real ranks, another
one holds the table of the page. The work space of kernels, what a block that is computed again holds
meanwhile, and fragmentation come on top; a card counts as large enough where a tenth of it is left.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from shards.schema import Boundary
from walrus.model.random_draws import draw_shifts
from walrus.model.settings import PRESETS, ModelSettings
from walrus.model.walrus import Walrus
from walrus.reading.ranks import Rank
from walrus.training.engine_settings import EngineSettings
from walrus.training.memory_estimate import footprint, parameter_count

VOCABULARY = 67
LABELS = (3, 4, 5, 28)
BOUNDARIES = ((Boundary.WALL, Boundary.OPEN), (Boundary.PERIODIC,) * 2, (Boundary.PERIODIC,) * 2)
# Frames, windows, grid of one GPU's share of a micro-batch. Source: arXiv 2511.15684, section 4.2.
PLANE = (6, 2, (256, 256, 1))
VOLUME = (3, 1, (128, 128, 128))
CARDS = (40, 80, 141)
# Blocks computed again in the backward pass: none, each second one, each.
EVERY = (0, 2, 1)
# The optimiser, and for it ZeRO stages, each with the number of ranks that share the state.
SHARED = {
    "AdamW": ((0, 1), (1, 8), (1, 96), (2, 8), (2, 96), (3, 4), (3, 8), (3, 96)),
    "Muon": ((0, 1), (1, 8), (2, 8), (3, 8)),
    "AdamW on the CPU": ((1, 1), (1, 8), (2, 8), (3, 8)),
}


def kept_bytes(
    model: ModelSettings, frames: int, windows: int, grid: tuple[int, int, int], half: bool
) -> int:
    """Bytes of all that autograd keeps of a forward pass, weights left out; nothing is computed."""
    shifts = draw_shifts(model, grid, BOUNDARIES, torch.Generator().manual_seed(1))
    kept: dict[int, int] = {}
    # Held, so that no storage is freed and its identity taken by another.
    tensors = []

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        tensors.append(tensor)
        return tensor

    with FakeTensorMode():
        network = Walrus(model, VOCABULARY).train()
        own = {parameter.untyped_storage()._cdata for parameter in network.parameters()}
        fields = torch.empty(frames, windows, len(LABELS), *grid)
        saving = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
        with saving, torch.autocast("cpu", torch.bfloat16, enabled=half):
            network(fields, LABELS, BOUNDARIES, shifts)
    return sum(size for identity, size in kept.items() if identity not in own)


def memory_rows(kept: dict[int, int]) -> list[str]:
    """The whole memory of a rank, and the cards that hold it, where so much is kept in the backward pass."""
    count = parameter_count(PRESETS["walrus"], VOCABULARY)
    rows = []
    for name, placements in SHARED.items():
        for stage, ranks in placements:
            engine = EngineSettings(
                zero_stage=stage,
                optimizer="muon" if name == "Muon" else "adamw",
                offload="optimizer" if name.endswith("CPU") else "none",
            )
            state = footprint(count, engine, Rank(0, ranks, 1), 0.0).total
            cells = " | ".join(_cell(state + kept[every]) for every in EVERY)
            rows.append(f"| {name} | {stage} | {ranks} | {state / 1e9:.1f} GB | {cells} |")
    return rows


def main() -> None:
    kept = {}
    print("| blocks recomputed | precision | 2D micro-batch | 3D micro-batch |\n|---|---|---|---|")
    for every in EVERY:
        model = replace(PRESETS["walrus"], checkpoint_every=every)
        for half in (False, True):
            plane, volume = kept_bytes(model, *PLANE, half), kept_bytes(model, *VOLUME, half)
            # The second table is for bfloat16, which comes last.
            kept[every] = max(plane, volume)
            words = f"{_recomputed(every)} | {'bfloat16' if half else 'float32'}"
            print(f"| {words} | {plane / 1e9:.1f} GB | {volume / 1e9:.1f} GB |", flush=True)
    head = "| optimiser | ZeRO | ranks that share | state | " + " | ".join(map(_recomputed, EVERY))
    print(f"\n{head} |\n|---|---|---|---|---|---|---|")
    print("\n".join(memory_rows(kept)))


def _recomputed(every: int) -> str:
    return {0: "nothing", 1: "every block", 2: "every second block"}[every]


def _cell(total: float) -> str:
    cards = [str(card) for card in CARDS if total < 0.9e9 * card]
    return f"{total / 1e9:.0f} GB: {', '.join(cards) or 'none'}"


if __name__ == "__main__":
    main()
