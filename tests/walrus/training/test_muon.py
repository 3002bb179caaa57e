from collections import defaultdict
from unittest.mock import patch

import pytest
import torch
from deepspeed.runtime.zero.muon import original_muon

from tests.bench.live_bytes import peak_bytes
from walrus.training.deepspeed_fence import load_deepspeed
from walrus.training.muon import MOMENTUM, WORK, orthogonalise, update_matrices

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


def test_matrices_of_one_shape_move_in_pieces_which_bound_the_memory(monkeypatch):
    # Square ones need most. The last piece is a smaller one.
    matrices = [matrix(20, 20, seed) for seed in range(7)]
    expected = [each.clone() for each in matrices]
    for weights, moved in zip(expected, matrices, strict=True):
        weights.grad = moved.grad
    update_matrices(expected, defaultdict(dict), GROUP)
    piece = 2 * matrices[0].nbytes
    monkeypatch.setattr("walrus.training.muon.LARGEST_PIECE", piece)
    state = {each: {MOMENTUM: torch.zeros_like(each)} for each in matrices}
    held = peak_bytes(lambda: update_matrices(matrices, state, GROUP))
    assert 0.9 * WORK * piece < held < 1.01 * WORK * piece
    torch.testing.assert_close(matrices, expected)


@pytest.mark.parametrize(("rows", "columns"), [(8, 3), (3, 8), (5, 5)])
def test_an_update_has_the_singular_vectors_of_its_matrix_and_singular_values_near_1(rows, columns):
    given = matrix(rows, columns, 0)
    updated = orthogonalise(given[None])[0] / max(1, rows / columns) ** 0.5
    left, _, right = torch.linalg.svd(given.double(), full_matrices=False)
    inner = left.T @ updated.double() @ right.T
    assert torch.allclose(inner, torch.diag(inner.diagonal()), atol=1e-4)
    assert ((inner.diagonal() > 0.3) & (inner.diagonal() < 1.3)).all()
