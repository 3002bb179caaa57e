"""Which numbers stay in single precision where products are in bfloat16, by the rules of a GPU."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from shards.schema import Boundary
from tests.walrus.model.fake_gpu import fake_gpu, on_fake_gpu
from walrus.model.block import Block
from walrus.model.decoder import Decoder
from walrus.model.norm import CellNorm, TokenNorm
from walrus.model.settings import PRESETS
from walrus.model.walrus import Walrus
from walrus.normalize import normalise, window_statistics
from walrus.training.loss import delta_loss

SETTINGS = replace(PRESETS["tiny"], blocks=1)
BOUNDARIES = ((Boundary.WALL, Boundary.OPEN), (Boundary.PERIODIC,) * 2, (Boundary.PERIODIC,) * 2)
PRECISE = (CellNorm, TokenNorm, nn.LayerNorm, Block, Decoder, Walrus)

PRODUCTS = {"addmm", "mm", "bmm", "convolution"}
MOVES = {
    "_to_copy",
    "_unsafe_view",
    "alias",
    "clone",
    "permute",
    "split",
    "split_with_sizes",
    "t",
    "transpose",
    "unsqueeze",
    "view",
}


class Halves(TorchDispatchMode):
    """Inside a `with`, counts the operations that return half precision."""

    def __init__(self):
        super().__init__()
        self.names = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        results = func(*args, **(kwargs or {}))
        if any(leaf.dtype == torch.bfloat16 for leaf in tree_leaves(results) if isinstance(leaf, Tensor)):
            self.names[func.overloadpacket.__name__] += 1
        return results


def test_norms_residuals_statistics_outputs_and_the_loss_stay_in_single_precision_on_a_gpu():
    with torch.device("meta"):
        network = Walrus(SETTINGS, 9).eval()
    found = {}
    for module in network.modules():
        module.register_forward_hook(
            lambda module, inputs, output: found.setdefault(type(module), set()).add(output.dtype)
        )
    with fake_gpu(autocast=True), Halves() as halves:
        u = torch.empty(3, 2, 4, 32, 24, 1, device="cuda")
        statistics = window_statistics(u, 1e-5)
        x = normalise(u, statistics)
        y = on_fake_gpu(network, x, [3, 4, 5, 6], BOUNDARIES)
        cells = torch.empty(2, 32, 24, 1, dtype=torch.uint8, device="cuda")
        padded = torch.empty(4, dtype=torch.bool, device="cuda")
        loss = delta_loss(y, u, u, statistics, cells, padded)
    assert all(found[kind] == {torch.float32} for kind in PRECISE)
    # The products are in half precision: otherwise nothing above would say anything.
    assert found[nn.Linear] == {torch.bfloat16}
    # The gated layer and the sum of two branches too; no mean, root, difference or softmax is among them.
    assert set(halves.names) <= PRODUCTS | MOVES | {"add", "mul", "silu"}
    # Those of the encoder, and the first of the decoder's two.
    assert halves.names["convolution"] == 4
    for value in (statistics.scale_BC, statistics.delta_BC, x, y, loss):
        assert value.dtype == torch.float32


def test_weights_gradients_and_moments_stay_in_single_precision():
    network = Walrus(SETTINGS, 9).train()
    optimizer = torch.optim.AdamW(network.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        loss = network(torch.randn(3, 1, 1, 16, 12, 1), [4], BOUNDARIES).abs().mean()
    loss.backward()
    optimizer.step()
    moved = [parameter for parameter in network.parameters() if parameter.grad is not None]
    assert len(moved) > 20
    for parameter in moved:
        state = optimizer.state[parameter]
        for value in (parameter, parameter.grad, state["exp_avg"], state["exp_avg_sq"]):
            assert value.dtype == torch.float32
