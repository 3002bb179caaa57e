import numpy as np
import pytest
import torch

from shards.errors import MismatchError
from walrus.judge import judge
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.rollout import Model
from walrus.stream import Shards
from walrus.vocabulary import PUBLISHED

SETTINGS = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=1)


@pytest.fixture(scope="module")
def still():
    """A model that predicts no change: persistence."""
    network = Walrus(SETTINGS, 67).eval()
    with torch.no_grad():
        for decoder in network.decoders.values():
            decoder.second.zero_()
            decoder.bias.zero_()
    return Model(network, PUBLISHED, 1e-5)


@pytest.mark.parametrize("name", ["shear_flow", "acoustic_scattering_discontinuous", "MHD_64"])
def test_a_model_that_predicts_no_change_scores_as_persistence(root, still, name):
    judged = judge(still, Shards.open(root, [name]).datasets[name], history=3, start=5, longest=4)
    model, persistence, line = judged.scores
    assert model.one_step == pytest.approx(persistence.one_step, rel=1e-6)
    assert model.windows[0].value == pytest.approx(persistence.windows[0].value, rel=1e-6)
    assert line.one_step < persistence.one_step
    assert judged.start == 5
    assert all(errors.shape[:2] == (3, 4) for errors in judged.rollouts)


def test_the_truth_is_physical_and_has_no_padding(root, samples, still):
    import h5py

    dataset = Shards.open(root, ["shear_flow"]).datasets["shear_flow"]
    forecast = judge(still, dataset, history=3, start=6, longest=5).forecasts[1]
    document = dataset.document(dataset.entries("test")[1])
    assert forecast.trajectory == document.trajectory.key
    assert forecast.channels == ("tracer", "pressure", "velocity_x", "velocity_y")
    origin = document.trajectory.origin
    with h5py.File(samples / "well/shear_flow" / origin.file) as file:
        tracer = file["t0_fields/tracer"][origin.row]
    np.testing.assert_array_equal(forecast.truth_TCS[:, 0], tracer[6:11])
    np.testing.assert_array_equal(forecast.history_TCS[:, 0], tracer[:6])
    assert forecast.time_T.tolist() == list(document.trajectory.time[6:11])


def test_a_start_beyond_the_trajectory_falls_back_to_the_history(root, still):
    judged = judge(still, Shards.open(root, ["MHD_64"]).datasets["MHD_64"], history=3, start=17, longest=60)
    assert judged.start == 3
    assert judged.rollouts[0].shape[1] == 9


def test_trajectories_shorter_than_the_history_are_refused(root, still):
    with pytest.raises(MismatchError, match="longer than the history of 12 frames"):
        judge(still, Shards.open(root, ["MHD_64"]).datasets["MHD_64"], history=12, start=17, longest=60)
