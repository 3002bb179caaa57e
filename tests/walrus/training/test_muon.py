from collections import defaultdict
from unittest.mock import patch

import pytest
import torch
from deepspeed.runtime.zero.muon import original_muon

from walrus.training.deepspeed_fence import load_deepspeed
from walrus.training.muon import MOMENTUM, orthogonalise, update_matrices

GROUP = {"lr": 0.1, "weight_decay": 0.3, "momentum": 0.9}


def matrix(rows, columns, seed):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(rows, columns, generator=generator)
    weights.grad = torch.randn(rows, columns, generator=generator)
    return weights


def test_matrices_of_several_shapes_move_as_one_by_one_in_deepspeed():
    load_deepspeed()
    shapes = [(5, 3), (3, 5), (4, 4), (5, 3), (3, 5)]
    matrices = [matrix(*shape, seed) for seed, shape in enumerate(shapes)]
    expected, momenta = [each.clone() for each in matrices], [torch.zeros_like(each) for each in matrices]
    state = defaultdict(dict)
    for _ in range(3):
        update_matrices(matrices, state, GROUP)
        for weights, moved, momentum in zip(expected, matrices, momenta, strict=True):
            with patch.object(original_muon, "ns_compute_dtype", lambda method: torch.float32):
                update = original_muon.muon_update(moved.grad.clone(), momentum, 0.9, ns_method="standard")
            weights.mul_(1 - 0.1 * 0.3).sub_(0.1 * update)
    torch.testing.assert_close(matrices, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close([state[each][MOMENTUM] for each in matrices], momenta)


@pytest.mark.parametrize(("rows", "columns"), [(8, 3), (3, 8), (5, 5)])
def test_an_update_has_the_singular_vectors_of_its_matrix_and_singular_values_near_1(rows, columns):
    given = matrix(rows, columns, 0)
    updated = orthogonalise(given[None])[0] / max(1, rows / columns) ** 0.5
    left, _, right = torch.linalg.svd(given.double(), full_matrices=False)
    inner = left.T @ updated.double() @ right.T
    assert torch.allclose(inner, torch.diag(inner.diagonal()), atol=1e-4)
    assert ((inner.diagonal() > 0.3) & (inner.diagonal() < 1.3)).all()
