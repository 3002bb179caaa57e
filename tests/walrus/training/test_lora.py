import pytest
import torch

from shards.schema import Boundary
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.training.lora import LoraLinear, adapt, merged

SETTINGS = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=2, branch_scale=1.0)
SIDES = ((Boundary.WALL, Boundary.OPEN), (Boundary.PERIODIC,) * 2, (Boundary.PERIODIC,) * 2)
LINEAR = 5


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Walrus(SETTINGS, 67).double()


def forecast(network):
    x = torch.randn(2, 1, 2, 16, 24, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return network(x, (3, 4), SIDES)


def adapted(network, rank=3):
    adapt(network.blocks, rank)
    return network.double()


def test_a_new_adapter_changes_no_output(network):
    before = forecast(network)
    assert torch.equal(forecast(adapted(network)), before)


def test_every_matrix_of_the_blocks_rests_and_its_adapter_learns(network):
    adapted(network)
    layers = [module for module in network.modules() if isinstance(module, LoraLinear)]
    assert len(layers) == LINEAR * SETTINGS.blocks
    names = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    assert names == {name for name, _ in network.named_parameters() if ".base." in name}
    assert network.blocks[1].space.fused.down.weight.shape == (3, 32)
    assert network.blocks[1].space.fused.up.weight.shape == (32 + 3 * 32, 3)


def test_merged_weights_are_those_of_a_plain_network_that_computes_the_same(network):
    plain_names = set(network.state_dict())
    adapted(network)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if ".up." in name:
                parameter.normal_(std=0.1)
    weights = merged(network.state_dict())
    assert set(weights) == plain_names
    plain = Walrus(SETTINGS, 67).double()
    plain.load_state_dict(weights)
    torch.testing.assert_close(forecast(plain), forecast(network), rtol=1e-12, atol=1e-12)


def test_weights_without_adapters_are_left_as_they_are(network):
    state = network.state_dict()
    same = merged(state)
    assert same.keys() == state.keys()
    assert all(same[name] is value for name, value in state.items())
