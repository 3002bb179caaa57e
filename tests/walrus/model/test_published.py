from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from shards.errors import MismatchError
from walrus.model.published import from_published, published_settings, to_published
from walrus.model.rotary import published_frequencies
from walrus.model.settings import PRESETS, ModelSettings
from walrus.model.walrus import Walrus

META = torch.device("meta")


def meta_model(settings: ModelSettings) -> Walrus:
    with META:
        return Walrus(settings, 67)


def count(settings: ModelSettings) -> int:
    return sum(parameter.numel() for parameter in meta_model(settings).parameters())


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        ("state_keys_walrus", PRESETS["walrus"]),
        (
            "state_keys_walrus_finetuned",
            replace(PRESETS["walrus"], rotary="learned", position_grid=(32, 33, 1)),
        ),
    ],
)
def test_every_published_tensor_has_its_name_and_shape(golden, file, settings):
    keys = golden.json(f"components/{file}.json")
    published = to_published(meta_model(settings).state_dict(), settings)
    expected = {entry["name"]: entry["shape"] for entry in keys["tensors"]}
    assert {name: list(tensor.shape) for name, tensor in published.items()} == expected
    assert len(published) == keys["n_tensors"]
    parameters = {entry["name"] for entry in keys["tensors"] if entry["kind"] == "parameter"}
    assert sum(published[name].numel() for name in parameters) == keys["n_parameters"]
    assert count(settings) == keys["n_parameters"] - 1


@pytest.mark.parametrize("file", ["state_keys_walrus", "state_keys_walrus_finetuned"])
def test_the_full_size_lists_become_a_network_of_full_size(golden, file):
    state = {}
    for entry in golden.json(f"components/{file}.json")["tensors"]:
        state[entry["name"]] = torch.empty(entry["shape"], device=META)
        if entry["kind"] == "buffer":
            state[entry["name"]] = published_frequencies(11)
    settings = published_settings(state)
    ours = from_published(state, settings)
    shapes = {name: tensor.shape for name, tensor in meta_model(settings).state_dict().items()}
    assert {name: tensor.shape for name, tensor in ours.items()} == shapes
    sizes = replace(settings, drop_path=0.05, checkpoint_every=2, rotary="published", position_grid=None)
    assert sizes == PRESETS["walrus"]


def test_a_tensor_of_another_size_is_refused(golden):
    state = dict(golden.published_state())
    state["blocks.1.time_mixing.norm1.weight"] = torch.ones(95)
    with pytest.raises(MismatchError, match=r"norm1.weight has the shape \(95,\); expected \(96,\)"):
        from_published(state, published_settings(state))


@pytest.mark.parametrize(
    ("settings", "published"),
    [
        (PRESETS["walrus"], 1_286_199_047),
        (PRESETS["half"], 644_006_727),
        (replace(PRESETS["half"], dimensions=(2,)), 570_833_924),
    ],
)
def test_parameters_are_as_many_as_published(settings, published):
    # Less one: the scalar before the encoder lies in its first kernel here.
    assert count(settings) == published - 1


def test_block_sizes_are_as_published():
    block = meta_model(PRESETS["walrus"]).blocks[0]
    assert sum(p.numel() for p in block.space.parameters()) == 19_837_664
    assert sum(p.numel() for p in block.time.parameters()) == 7_937_760


@pytest.mark.parametrize("finetuned", [False, True])
def test_there_and_back_keeps_every_tensor(golden, finetuned):
    state = golden.published_state(finetuned)
    settings = published_settings(state)
    back = to_published(from_published(state, settings), settings)
    assert set(back) == set(state)
    assert float(state["encoder_dummy"]) != 1
    for name, tensor in state.items():
        assert torch.equal(back[name], tensor), name


def test_settings_are_read_off_the_shapes(golden):
    found = published_settings(golden.published_state(finetuned=True))
    expected = ModelSettings(
        hidden=96, heads=4, inner=16, mlp=384, blocks=2, rotary="learned", position_grid=(32, 32, 1)
    )
    assert replace(found, field_scale=1.0) == expected
    assert found.field_scale == 0.9375


def test_a_model_that_the_release_cannot_run_has_no_published_state():
    settings = replace(PRESETS["tiny"], rotary="harmonic")
    with pytest.raises(MismatchError, match="rotary = harmonic"):
        to_published(meta_model(settings).state_dict(), settings)


def test_a_foreign_or_incomplete_state_is_refused(golden):
    state = dict(golden.published_state())
    settings = published_settings(state)
    with pytest.raises(MismatchError, match=r"expected the model part"):
        published_settings({"weight": torch.zeros(3)})
    with pytest.raises(MismatchError, match=r"nothing missing, extra unknown"):
        from_published(state | {"extra": torch.zeros(1)}, settings)
    frequencies = "blocks.1.space_mixing.rotary_emb.freqs"
    with pytest.raises(MismatchError, match=r"freqs has .*rotary = learned"):
        from_published(state | {frequencies: state[frequencies] * 1.1}, settings)
    del state["blocks.1.space_mixing.ff_out.bias"]
    with pytest.raises(MismatchError, match=r"blocks.1.space_mixing.ff_out.bias missing"):
        from_published(state, settings)
