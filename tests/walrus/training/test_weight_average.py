import pytest
import torch

from walrus.training.run_checkpoint import Fragment
from walrus.training.weight_average import WeightAverage


def test_a_rank_without_weights_has_nothing_to_follow():
    average = WeightAverage(0.9, [])
    average.follow(0)
    assert average.fragments == []


def test_the_average_follows_the_weights_and_early_steps_count_for_more():
    weights = torch.tensor([1.0, 2.0, 3.0])
    average = WeightAverage(0.9, [Fragment("weight", "w", 4, weights)])
    expected = weights.clone()
    for step in range(200):
        weights += 1.0
        average.follow(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * weights
    (kept,) = average.fragments
    assert (kept.kind, kept.name, kept.start) == ("average", "w", 4)
    assert kept.values.tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    # Weights that rise by 1 a step are followed at a distance of decay / (1 - decay).
    assert (weights - kept.values).tolist() == pytest.approx([9.0] * 3, rel=1e-2)
