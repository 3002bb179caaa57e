"""The second half of a block: what it keeps for its backward pass."""

from dataclasses import replace

import torch
from torch.autograd.graph import saved_tensors_hooks

from walrus.model.settings import PRESETS
from walrus.model.space_mixing import SpaceMixing

TOKENS = 6


def kept(module: SpaceMixing, x_TBSE: torch.Tensor, phases_SR2: torch.Tensor) -> list[int]:
    """The numbers of each piece of memory that the backward pass needs, weights left out."""
    storages = {}

    def note(value: torch.Tensor) -> torch.Tensor:
        storages[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes() // value.itemsize
        return value

    with saved_tensors_hooks(note, lambda value: value):
        module(x_TBSE, phases_SR2)
    weights = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}
    return [size for place, size in storages.items() if place not in weights]


def test_the_gated_product_is_not_kept_for_the_backward_pass() -> None:
    # A width that nothing else has.
    settings = replace(PRESETS["tiny"], mlp=2 * 1234)
    module = SpaceMixing(settings)
    x_TBSE = torch.randn(2, 1, TOKENS, settings.hidden, requires_grad=True)
    phases_SR2 = torch.ones(TOKENS, settings.head_width // 2, 2)
    assert 2 * TOKENS * 1234 not in kept(module, x_TBSE, phases_SR2)
    # But both its sides are, in the one projection that they come from.
    assert 2 * TOKENS * sum(module.sections) in kept(module, x_TBSE, phases_SR2)
