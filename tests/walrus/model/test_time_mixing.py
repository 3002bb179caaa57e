from __future__ import annotations

import pytest
import torch

from walrus.model.time_mixing import LagBias, lag_buckets

CPU = torch.device("cpu")


@pytest.mark.parametrize("direction", ["causal", "bidirectional"])
def test_buckets_and_bias_equal_the_published_ones(golden, direction):
    tensors, causal = golden.component(f"time_bias.{direction}"), direction == "causal"
    expected = tensors["bucket_T48"].long()
    found = lag_buckets(48, causal=causal, device=CPU)
    past = torch.ones(48, 48, dtype=torch.bool).tril() if causal else torch.ones(48, 48, dtype=torch.bool)
    assert torch.equal(found[past], expected[past])
    bias = LagBias(4, causal=causal)
    bias.load_state_dict({"table": tensors["table"]})
    assert torch.equal(bias(lag_buckets(6, causal=causal, device=CPU)), tensors["bias_T6"])


def test_near_lags_have_a_bucket_each_and_far_ones_share():
    bucket = lag_buckets(60, causal=True, device=CPU)[-1].flip(0)
    assert bucket[:20].tolist() == list(range(20))
    assert [bucket[lag].item() for lag in (20, 27, 28, 31, 32, 59)] == [21, 28, 28, 31, 31, 31]
    assert bucket.diff().min() >= 0


def test_the_future_has_no_weight():
    bias = LagBias(2, causal=True)(lag_buckets(5, causal=True, device=CPU))
    above = torch.ones(5, 5, dtype=torch.bool).triu(1)
    assert torch.isneginf(bias[:, above]).all()
    assert torch.isfinite(bias[:, ~above]).all()
