"""Files under the published names, and the numbers that their weights give."""

import pytest
import torch
from safetensors.torch import save_file

from walrus.model.published import from_published, published_settings, to_published
from walrus.model.published_files import read_release, write_release
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus

SETTINGS = ModelSettings(hidden=64, heads=2, inner=4, mlp=32, blocks=1)


@pytest.mark.parametrize(
    ("case", "finetuned"), [("plane_wall_128", False), ("finetuned_wall_open_128x256", True)]
)
@torch.no_grad()
def test_a_published_file_gives_the_published_numbers(golden, tmp_path, case, finetuned):
    torch.save({"app": {"model": golden.published_state(finetuned), "epoch": 200}}, tmp_path / "walrus.pt")
    state = read_release(tmp_path / "walrus.pt")
    network = Walrus(published_settings(state), 67)
    network.load_state_dict(from_published(state, network.settings))
    stored = golden.case(case)
    y = network(stored.field().float(), stored.labels, stored.boundaries)
    tolerance = stored.entry["suggested_tolerance"]["float32_abs"]
    torch.testing.assert_close(stored.picked(y).double(), stored.tensors["y_f64"], rtol=0, atol=tolerance)


def test_a_bare_state_and_safetensors_are_taken_as_well(tmp_path):
    state = to_published(Walrus(SETTINGS, 67).state_dict(), SETTINGS)
    torch.save(state, tmp_path / "bare.pt")
    torch.save({"model": {name: tensor.double() for name, tensor in state.items()}}, tmp_path / "double.pt")
    save_file(state, tmp_path / "bare.safetensors")
    write_release(tmp_path / "written.safetensors", state)
    for name in ("bare.pt", "double.pt", "bare.safetensors", "written.safetensors"):
        found = read_release(tmp_path / name)
        assert {key: value.dtype for key, value in found.items()} == dict.fromkeys(state, torch.float32)
        assert all(torch.equal(found[key], value) for key, value in state.items())
