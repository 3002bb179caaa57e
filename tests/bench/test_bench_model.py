import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))

import bench_model
import plain_model
from live_bytes import peak_bytes


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_the_network_and_its_plain_twin_agree_and_are_compared():
    script = Path(__file__).with_name("bench_model.py")
    grids = ["--plane", "24", "32", "--volume", "8", "12", "16", "--large", "12", "8", "16"]
    # The large grid is forward alone.
    size = ["--preset", "tiny", *grids, "--modes", "forward+backward", "--repeats", "1"]
    done = subprocess.run(
        [sys.executable, script, "--device", "cpu", *size], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("GiB") == 4 * 3


def fused_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """What the released class calls where the plain twin keeps a matrix of attention."""
    inputs = (tensor.reshape(-1, *tensor.shape[-3:]) for tensor in (query, key, value))
    y = functional.scaled_dot_product_attention(*inputs, attn_mask=bias)
    return y.reshape(*query.shape[:-1], -1)


def test_a_forward_pass_holds_less_than_the_plain_twin_with_the_attention_of_the_release(monkeypatch):
    monkeypatch.setattr(plain_model, "attend", fused_attention)
    twins = bench_model.twins("tiny")
    for grid in ((48, 32, 1), (12, 8, 16)):
        runs = bench_model.passes(*twins, bench_model.Case("", grid, frames=3, windows=1), "forward")
        assert torch.allclose(runs["ours"](), runs["plain"](), atol=1e-4)
        assert peak_bytes(runs["ours"]) < 0.9 * peak_bytes(runs["plain"])
