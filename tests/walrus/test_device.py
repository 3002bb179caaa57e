"""Training, evaluation and forecasts on a second device: nothing is left behind on the CPU."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from shards.read import Dataset
from tests.walrus.second_device import SECOND, second_device
from walrus.api import PretrainedModel, rollout, stored
from walrus.checkpoint import ModelDescription
from walrus.evaluation.evaluate import evaluate
from walrus.evaluation.forecasts import ForecastProtocol
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.normalize import card_scales
from walrus.reading.plan import Window
from walrus.reading.reader import Reader
from walrus.rollout import Model
from walrus.training.objective import TrainingObjective
from walrus.training.parameter_slot import ParameterSlot
from walrus.training.participation import ParticipatingAdamW, Participation
from walrus.training.rollout_training import RolloutSettings
from walrus.vocabulary import PUBLISHED

SETTINGS = ModelSettings(
    hidden=32, heads=2, inner=4, mlp=32, blocks=2, drop_path=0.5, cell_flags=True, checkpoint_every=2
)
TASKS = ("acoustic_scattering_discontinuous", "MHD_64")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    """What is compared with is computed on the CPU, even where there is a GPU."""
    for place in ("walrus.evaluation.forecasts.device", "walrus.api.device"):
        monkeypatch.setattr(place, lambda: CPU)


@pytest.fixture
def network():
    torch.manual_seed(1)
    return Walrus(replace(SETTINGS, branch_scale=1.0), 67)


def test_the_second_device_refuses_what_a_gpu_refuses():
    with second_device():
        there = torch.ones(2, device=SECOND)
        with pytest.raises(RuntimeError, match="add: expected all tensors on one device"):
            there + torch.ones(2)
        with pytest.raises((RuntimeError, TypeError)):
            there.numpy()
        assert (there + 1).cpu().tolist() == [2, 2]
        assert (there.sum() + torch.tensor(1.0)).item() == 3


@pytest.mark.parametrize("name", TASKS)
def test_an_evaluation_on_a_second_device_has_the_errors_of_the_cpu(root, network, name):
    dataset, protocol = Dataset(root / name), ForecastProtocol(history=3, start=5, longest=3)
    model = Model(network.eval(), PUBLISHED, 1e-5, trend_share=0.3)
    expected = evaluate(replace(model, network=deepcopy(network)), dataset, protocol).trajectories
    with second_device("walrus.evaluation.forecasts.device", "walrus.evaluation.true_trajectory.device"):
        found = evaluate(model, dataset, protocol).trajectories
    assert next(network.parameters()).device == SECOND
    for one, other in zip(found, expected, strict=True):
        for values in ("one_step_FMKC", "rollout_FMTC", "spectrum_T2CR", "drift_2TQ", "flow_2TQ"):
            # Attention is in plain products there, which round otherwise.
            np.testing.assert_allclose(getattr(one, values), getattr(other, values), rtol=1e-3, atol=1e-5)


def test_a_forecast_in_python_on_a_second_device_is_that_of_the_cpu(root, network):
    window = stored(root / TASKS[0], "test", trajectory=1, first=3, frames=4)
    description = ModelDescription(SETTINGS, PUBLISHED.names, 4, 3, 1e-5, True, 1, 0, (TASKS[0],))
    model = PretrainedModel(Model(network.eval(), PUBLISHED, 1e-5), description)
    expected = list(rollout(model, window, 2))
    with second_device("walrus.api.device"):
        network.to(SECOND)
        found = list(rollout(model, window, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def trained(network, dataset, place):
    """The losses and gradients of two steps on a place, one and two frames ahead. The steps are tiny ones."""
    reader, scales = Reader(dataset, "train"), {dataset.card.name: card_scales(dataset.card)}
    objective = TrainingObjective(
        network, PUBLISHED, 3, rotate=True, jitters=True, eps=1e-5, scales=scales, rollout=RolloutSettings(2)
    )
    objective.to(place).train()
    learning = dict(objective.named_parameters())
    participation = Participation(learning)
    for name, parameter in learning.items():
        participation.slots[parameter] = [ParameterSlot(name, parameter, parameter, 0, 0, parameter.numel())]
    group = {"params": list(learning.values()), "betas": (0.9, 0.99), "eps": 1e-8, "weight_decay": 0.1}
    optimizer = ParticipatingAdamW([{**group, "lr": 1e-8}], participation)
    losses, gradients = [], {}
    for number in (1, 2):
        windows = [Window(0, number, 1), Window(1, number, 1)]
        batch = reader.read(windows, reader.buffers(2, 5)).to(place)
        loss = objective(batch, number, ahead=number)
        loss.backward()
        losses.append(loss.item())
        active = {name: parameter for name, parameter in learning.items() if parameter.grad is not None}
        gradients |= {(number, name): parameter.grad.cpu().clone() for name, parameter in active.items()}
        participation.active = set(active)
        torch.nn.utils.clip_grad_norm_(active.values(), 1.0)
        optimizer.step()
        participation.count()
        optimizer.zero_grad(set_to_none=True)
    return losses, gradients


@pytest.mark.parametrize("name", TASKS)
def test_training_on_a_second_device_has_the_losses_and_gradients_of_the_cpu(root, network, name):
    dataset = Dataset(root / name)
    with sdpa_kernel(SDPBackend.MATH):
        expected_losses, expected = trained(deepcopy(network), dataset, CPU)
    with second_device():
        losses, gradients = trained(network, dataset, SECOND)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    assert gradients.keys() == expected.keys()
    for parameter, values in gradients.items():
        assert (values - expected[parameter]).norm() < 1e-3 * expected[parameter].norm() + 1e-5, parameter
