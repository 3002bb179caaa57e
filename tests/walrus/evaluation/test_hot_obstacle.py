"""A system whose obstacle is hot inside, from a file to losses, forecasts and scores: the heat inside changes
none of them.
"""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.recipe import Recipe
from shards.program.settings import make
from shards.read import Dataset
from walrus.evaluation.evaluate import evaluate
from walrus.evaluation.forecast_protocol import ForecastProtocol
from walrus.evaluation.metrics import MEASURES, VRMSE
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.reading.plan import Window
from walrus.reading.reader import Reader
from walrus.rollout import Model, rollout
from walrus.training.early_stopping import EarlyStoppingSettings, validation_error
from walrus.training.objective import TrainingObjective
from walrus.vocabulary import PUBLISHED

RUNS, FRAMES, X, Y = 10, 9, 16, 12
HOT = 40.0
SOLID = np.zeros((X, Y), bool)
SOLID[5:9, 3:7] = True


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A cylinder of temperature 40 in a fluid near 1 that drifts past it."""
    folder = tmp_path_factory.mktemp("hot")
    along = np.arange(X)[:, None] / X + 0 * np.arange(Y)
    phase = np.arange(FRAMES)[None, :, None, None] / 20 + np.arange(RUNS)[:, None, None, None] / RUNS
    temperature = 1 + 0.3 * np.sin(2 * np.pi * (along - phase))
    temperature[..., SOLID] = HOT
    with h5py.File(folder / "a.h5", "w") as file:
        file["temperature"] = temperature.astype("f4")
        file["stone"] = SOLID.astype("u1")
    tables = {
        "name": "cylinder",
        "source": "arrays",
        "title": "Heated cylinder",
        "axes": ["x", "y"],
        "layout": "n t x y",
        "licence": "CC0-1.0",
        "fields": [{"name": "temperature"}],
        "time": {"step": 0.1},
        "coordinates": {axis: {"lower": 0.0, "upper": 1.0} for axis in "xy"},
        "boundaries": {"x": ["periodic", "periodic"], "y": ["wall", "wall"]},
        "mask": {"stored": "stone", "solid": "nonzero", "layout": "x y"},
    }
    recipe = make(Recipe, tables, "cylinder.toml")
    build(plan_build(recipe, folder, "zarr", "lz4"), folder, Resources(1))
    return Dataset(folder / "cylinder")


def warming(still, change):
    """A model that predicts the same change, in units of the RMS of the change, everywhere."""
    with torch.no_grad():
        for decoder in still.network.decoders.values():
            decoder.bias.fill_(change)
    return still


def hotter(batch, heat):
    """The same windows with another temperature inside the obstacle, different in each frame."""
    fields_BTCHWD = batch.fields_BTCHWD.clone()
    for number in range(fields_BTCHWD.shape[1]):
        fields_BTCHWD[:, number, :, torch.from_numpy(SOLID)] = heat * (1 + number)
    return replace(batch, fields_BTCHWD=fields_BTCHWD)


def test_losses_and_forecasts_of_the_fluid_do_not_depend_on_the_heat_inside(dataset):
    settings = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=1, drop_path=0.0, branch_scale=1.0)
    network = Walrus(settings, len(PUBLISHED)).eval()
    objective = TrainingObjective(network, PUBLISHED, seed=0, rotate=False, jitters=True, eps=1e-5)
    model = Model(network, PUBLISHED, 1e-5)
    reader = Reader(dataset, "train")
    windows = reader.read([Window(0, 0, 1), Window(1, 3, 1)], reader.buffers(2, 5))
    losses = [objective(hotter(windows, heat), 0) for heat in (0.0, 1e3)]
    assert losses[0] == losses[1] > 0
    fluid = torch.from_numpy(~SOLID)
    cold_BCHWD, hot_BCHWD = (list(rollout(model, hotter(windows, heat), 2))[-1] for heat in (0.0, 1e3))
    assert torch.equal(cold_BCHWD[:, :, fluid], hot_BCHWD[:, :, fluid])
    assert not torch.equal(cold_BCHWD, hot_BCHWD)


def test_the_heat_inside_is_fed_back_as_it_was(dataset, still):
    reader = Reader(dataset, "test")
    history = reader.read([Window(0, 0, 1)], reader.buffers(1, 4))
    *_, last_BCHWD = rollout(warming(still, 1.0), history, 3)
    solid = torch.from_numpy(SOLID)
    assert torch.equal(last_BCHWD[0, :, solid], history.fields_BTCHWD[0, -1, :, solid])
    assert (last_BCHWD[0, :, ~solid] != history.fields_BTCHWD[0, -1, :, ~solid]).all()


def test_scores_pictures_and_early_stopping_look_at_the_fluid_alone(dataset, still):
    found = evaluate(still, dataset, ForecastProtocol(4, start=4, longest=5))
    fluid = ~SOLID
    errors = []
    for number, entry in enumerate(dataset.entries("test")):
        frames = np.empty((entry.frames, 1, X, Y), np.float32)
        dataset.read_frames(entry, range(entry.frames), frames)
        inside = frames[:, 0, fluid].astype(float)
        square = ((inside[4:] - inside[3]) ** 2).mean(1)
        errors.append(np.sqrt(square / inside[4:].var(1, ddof=1)))
        np.testing.assert_allclose(
            found.trajectories[number].rollout_FMTC[0, VRMSE, :, 0], errors[-1], rtol=1e-3
        )
    # With the hot cells the variance is some hundred times as large, and every forecast looks good.
    published = found.trajectories[0].rollout_FMTC[0, MEASURES.index("vrmse_published"), :, 0]
    assert (published < 0.1 * errors[0]).all()
    recording = found.recordings.typical
    assert np.isnan(recording.images_ITCVU[0][:, :, 0].swapaxes(-1, -2)[..., ::-1][0, 0][SOLID]).all()
    assert recording.error_TC[:, 0] == pytest.approx(found.trajectories[0].rollout_FMTC[0, VRMSE, :, 0])
    settings = EarlyStoppingSettings(every=1, trajectories=1, steps=5)
    valid = evaluate(still, dataset, replace(ForecastProtocol(4, start=4, longest=5), split="valid"))
    expected = valid.trajectories[0].rollout_FMTC[0, VRMSE].mean()
    assert validation_error(still, dataset, 4, settings) == pytest.approx(expected, rel=1e-4)
