from dataclasses import replace

import pytest
import torch

from shards.schema import Cell
from walrus.augment import HALF_TURNS, rotate
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.reading.plan import Window
from walrus.reading.ranks import ALONE, Rank
from walrus.reading.reader import Reader
from walrus.reading.stream import Shards
from walrus.rollout import Model, rollout
from walrus.training.objective import TrainingObjective
from walrus.training.rollout_training import RolloutSettings
from walrus.vocabulary import PUBLISHED

SETTINGS = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=2, drop_path=0.5, branch_scale=1.0)


@pytest.fixture(scope="module")
def reader(root):
    return Reader(
        Shards.open(root, ["acoustic_scattering_discontinuous"]).datasets[
            "acoustic_scattering_discontinuous"
        ],
        "train",
    )


def objective(rank=ALONE, model=SETTINGS, **settings):
    torch.manual_seed(0)
    values = {"seed": 1, "rotate": True, "jitters": True, "eps": 1e-5} | settings
    return TrainingObjective(Walrus(model, 67), PUBLISHED, rank=rank, **values)


def batch(reader, *trajectories, frames=4):
    return reader.read([Window(t, 3 + t, 1) for t in trajectories], reader.buffers(len(trajectories), frames))


def test_the_loss_follows_from_seed_and_number_alone(reader):
    windows = batch(reader, 0, 1)
    torch.manual_seed(123)
    first = objective()(windows, 5)
    torch.rand(17)
    assert float(objective()(windows, 5).detach()) == float(first.detach())
    assert float(objective()(windows, 6).detach()) != float(first.detach())
    assert float(objective(seed=2)(windows, 5).detach()) != float(first.detach())


def test_half_turns_are_drawn_by_the_number_of_the_micro_batch(reader):
    windows = batch(reader, 0, 1)
    still = replace(SETTINGS, drop_path=0.0)
    plain, turning = (objective(model=still, rotate=turn, jitters=False) for turn in (False, "half turns"))
    expected = [float(plain(rotate(windows, turn), 0).detach()) for turn in HALF_TURNS]
    found = [float(turning(windows, number).detach()) for number in range(12)]
    assert set(found) == set(expected)


@pytest.mark.parametrize("steps", [1, 2])
def test_two_halves_on_two_ranks_make_the_whole_loss(reader, steps):
    def loss(rank, *trajectories):
        model = objective(rank, rollout=RolloutSettings(steps))
        return model(batch(reader, *trajectories, frames=3 + steps), 9, steps)

    whole, first, second = loss(ALONE, 0, 1, 2, 3), loss(Rank(0, 2), 0, 1), loss(Rank(1, 2), 2, 3)
    assert float(((first + second) / 2).detach()) == pytest.approx(float(whole.detach()), rel=1e-5)


def test_every_parameter_of_the_stem_in_use_gets_a_finite_gradient(reader):
    model = objective(rotate=False)
    model(batch(reader, 0, 1), 0).backward()
    for name, parameter in model.network.named_parameters():
        if "volume" in name or "key_norm.bias" in name:
            continue
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_with_free_patching_the_number_of_the_micro_batch_draws_the_strides(reader):
    windows, free = batch(reader, 0, 1), replace(SETTINGS, drop_path=0, fewest_tokens=4)
    plain, varied = (
        objective(model=model, rotate=False, jitters=False)
        for model in (replace(SETTINGS, drop_path=0), free)
    )
    losses = [float(varied(windows, number).detach()) for number in range(20)]
    # Only the pass with the finest strides on both axes has the loss of the fixed model.
    fixed = float(plain(windows, 0).detach())
    assert len(set(losses)) > 4
    assert float(varied(windows, 3).detach()) == losses[3]
    assert {float(plain(windows, number).detach()) for number in range(3)} == {fixed}


def test_a_model_with_cell_flags_learns_from_the_obstacles_of_its_windows(reader):
    windows = batch(reader, 0, 1)
    cells = torch.zeros_like(windows.cells_BHWD)
    cells[:, 10:20, 5:9] = int(Cell.OBSTACLE)
    model = objective(model=replace(SETTINGS, cell_flags=True), rotate=False)
    model(replace(windows, cells_BHWD=cells), 0).backward()
    gradient_IFHWD = model.network.encoders["plane"].cells.grad
    assert gradient_IFHWD[:, 2].abs().max() > 0
    assert gradient_IFHWD[:, :2].abs().max() == 0


def test_of_a_window_that_is_longer_than_needed_any_part_is_used(reader):
    longer, plain = objective(rollout=RolloutSettings(steps=3)), objective()
    windows = batch(reader, 0, 1, frames=6)
    fields = windows.fields_BTCHWD
    parts = [replace(windows, fields_BTCHWD=fields[:, first : first + 4]) for first in range(3)]
    found = set()
    for number in range(8):
        losses = [float(plain(part, number).detach()) for part in parts]
        found.add(losses.index(float(longer(windows, number).detach())))
    assert found == {0, 1, 2}


@pytest.mark.parametrize("ahead", [2, 5])
def test_some_steps_ahead_the_network_sees_its_own_forecasts_as_if_they_were_data(reader, ahead):
    """Loss and gradients are those of a window whose frames were replaced by forecasts, all but the last.

    A history has three frames: of four forecasts, the first is seen no more.
    """
    settings = replace(SETTINGS, causal=False)
    windows = batch(reader, 0, 1, frames=3 + ahead)
    longer = objective(model=settings, rotate=False, rollout=RolloutSettings(steps=ahead))
    plain = objective(model=settings, rotate=False)
    begin = replace(windows, fields_BTCHWD=windows.fields_BTCHWD[:, :3])
    forecasts = rollout(Model(plain.network, PUBLISHED, 1e-5, seed=7), begin, ahead - 1)
    replaced = windows.fields_BTCHWD.clone()
    replaced[:, 3:-1] = torch.stack(list(forecasts), 1)
    part = replace(windows, fields_BTCHWD=replaced[:, ahead - 1 :])
    loss, expected = longer(windows, 7, ahead), plain(part, 7)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    assert float(loss.detach()) != pytest.approx(float(plain(batch(reader, 0, 1), 7).detach()), rel=1e-3)
    loss.backward()
    expected.backward()
    for own, other in zip(longer.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad)
