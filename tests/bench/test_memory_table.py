import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from walrus.model.random_draws import draw_shifts
from walrus.model.settings import PRESETS
from walrus.model.walrus import Walrus

sys.path.insert(0, str(Path(__file__).parent))

from memory_table import BOUNDARIES, EVERY, LABELS, PLANE, VOCABULARY, VOLUME, kept_bytes, memory_rows


@pytest.mark.parametrize("every", [0, 2])
def test_bytes_counted_without_data_are_those_of_a_real_pass(every):
    model, grid = replace(PRESETS["tiny"], checkpoint_every=every), (32, 24, 1)
    network = Walrus(model, VOCABULARY).train()
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept = {}

    def pack(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    shifts = draw_shifts(model, grid, BOUNDARIES, torch.Generator().manual_seed(1))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = network(torch.randn(3, 2, len(LABELS), *grid), LABELS, BOUNDARIES, shifts).sum()
    assert torch.isfinite(loss)
    real = sum(tensor.untyped_storage().nbytes() for place, tensor in kept.items() if place not in own)
    assert kept_bytes(model, 3, 2, grid, half=False) == pytest.approx(real, rel=0.01)


def test_autocast_keeps_less():
    sizes = [kept_bytes(PRESETS["tiny"], 3, 1, (32, 24, 1), half) for half in (False, True)]
    assert 0.5 < sizes[1] / sizes[0] < 0.9


def kept_of_all_blocks(model, sizes):
    """Every four blocks keep the same: those of 40 follow from 4 and 8, in a third of the time."""
    four, eight = (kept_bytes(replace(model, blocks=blocks), *sizes, half=True) for blocks in (4, 8))
    return four + (eight - four) * (model.blocks - 4) // 4


@pytest.mark.slow
def test_the_page_says_which_card_holds_the_published_model_as_it_is_counted():
    page = Path(__file__).parents[2] / "docs" / "scaling.md"
    kept = {}
    for every in EVERY:
        model = replace(PRESETS["walrus"], checkpoint_every=every)
        kept[every] = max(kept_of_all_blocks(model, sizes) for sizes in (PLANE, VOLUME))
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if " | " in line]
    missing = set(memory_rows(kept)) - set(rows)
    assert not missing
