"""The whole road in one test, to be read from top to bottom: a benchmark file becomes a forecast."""

import io
from dataclasses import replace

import torch
from PIL import Image

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.building.verify import source_faults
from ingest.catalogue import find_recipe
from shards.verify import faults
from walrus.evaluation.evaluate import evaluate
from walrus.evaluation.forecast_protocol import ForecastProtocol
from walrus.evaluation.rollout_figures import panel
from walrus.model.cost import cost_of
from walrus.model.settings import PRESETS
from walrus.model.walrus import Walrus
from walrus.reading.plan import StreamSettings
from walrus.reading.stream import Shards, plan_stream, stream
from walrus.rollout import Model
from walrus.training.objective import TrainingObjective
from walrus.vocabulary import PUBLISHED


def test_a_benchmark_file_becomes_a_forecast(samples, tmp_path):
    # HDF5 -> shards, whole and bit for bit what the source holds.
    source = samples / "well/acoustic_scattering_discontinuous"
    recipe = find_recipe("acoustic_scattering_discontinuous")
    built = build(plan_build(recipe, source, "webdataset", "lz4"), tmp_path, Resources(1))
    assert built.card.counts["train"].trajectories == 8
    shards = Shards.open(tmp_path, [recipe.name])
    dataset = shards.datasets[recipe.name]
    assert list(faults(dataset)) == []
    assert list(source_faults(dataset, source)) == []

    # Shards -> batches, in an order that follows from a seed.
    settings = StreamSettings(micro_batches=1, windows_2d=2, history_2d=3, largest_stride=1, rotate=False)
    plan = plan_stream(shards, {recipe.name: 1}, settings, 0, cost_of(PRESETS["tiny"]))
    batches = stream(plan, shards, 0, 4)

    # Batches -> losses -> a network that has learned a little.
    torch.manual_seed(0)
    size = replace(PRESETS["tiny"], hidden=32, heads=2, inner=8, mlp=64, blocks=1)
    trainee = TrainingObjective(
        Walrus(size, len(PUBLISHED)), PUBLISHED, seed=0, rotate=False, jitters=True, eps=1e-5
    )
    optimizer = torch.optim.AdamW(trainee.parameters(), lr=1e-3)
    for micro, batch in batches:
        optimizer.zero_grad()
        loss = trainee(batch, micro.number)
        loss.backward()
        optimizer.step()
        assert torch.isfinite(loss)

    # Network -> rollout -> scores and a picture.
    model = Model(trainee.network.eval(), PUBLISHED, eps=1e-5)
    judged = evaluate(model, dataset, ForecastProtocol(history=3, start=4, longest=6))
    assert 0 < judged.scores.value("one-step") < 1
    picture = Image.open(io.BytesIO(panel(judged.recordings.typical, "pressure")))
    assert picture.width > picture.height > 400
