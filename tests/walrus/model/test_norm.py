from __future__ import annotations

import pytest
import torch

from walrus.model.norm import CellNorm, TokenNorm


@pytest.mark.parametrize("name", ["norm.2d", "norm.3d"])
def test_both_norms_equal_the_published_one(golden, name):
    tensors = golden.component(name)
    x, expected = tensors["x"].double(), tensors["y_f64"]
    for norm, forth, back in (
        (CellNorm(x.shape[1]), lambda x: x, lambda y: y),
        (
            TokenNorm(x.shape[1]),
            lambda x: x.flatten(2).transpose(1, 2)[None],
            lambda y: y[0].transpose(1, 2).reshape(x.shape),
        ),
    ):
        norm.double().load_state_dict({"weight": tensors["weight"].double()})
        torch.testing.assert_close(back(norm(forth(x))), expected, rtol=1e-12, atol=1e-12)


def test_zero_stays_zero_with_a_finite_gradient():
    x = torch.zeros(1, 2, 4, 4, 1, requires_grad=True)
    y = CellNorm(2)(x)
    y.sum().backward()
    assert torch.equal(y, torch.zeros_like(y))
    assert x.grad is not None
    assert x.grad.isfinite().all()
