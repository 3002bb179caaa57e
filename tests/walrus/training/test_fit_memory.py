from dataclasses import replace

import pytest
import torch

from shards.errors import MismatchError
from shards.schema import Boundary, FieldSpec, Grid, Schema
from walrus.model.settings import PRESETS, ModelSettings
from walrus.model.walrus import Walrus
from walrus.reading.ranks import Rank
from walrus.training.engine_settings import EngineSettings
from walrus.training.fit_memory import TrainingLoad, enough_memory, fits, fitted, in_words, step_footprint
from walrus.training.tuning import TuningSettings

MODEL = ModelSettings(hidden=64, heads=2, inner=8, mlp=64, blocks=4, drop_path=0)
ENGINE = EngineSettings()


def schema_of(*shape):
    grid = Grid(("x", "y"), tuple(tuple(map(float, range(size))) for size in shape))
    sides = ((Boundary.WALL, Boundary.OPEN), (Boundary.PERIODIC, Boundary.PERIODIC))
    return Schema((FieldSpec("pressure"), FieldSpec("density")), grid, sides)


LOAD = TrainingLoad(67, TuningSettings(), schema_of(48, 40), history=4, windows=2, rank=Rank())


def test_adamw_takes_twelve_bytes_a_weight_beside_weights_and_gradients():
    count = sum(parameter.numel() for parameter in Walrus(MODEL, 67).parameters())
    found = step_footprint(MODEL, ENGINE, LOAD)
    assert (found.weights, found.gradients, found.optimizer) == (4 * count, 4 * count, 12 * count)


def test_what_rests_needs_neither_gradients_nor_optimiser():
    found = step_footprint(MODEL, ENGINE, replace(LOAD, tuning=TuningSettings(train="encoder+decoder")))
    everything = step_footprint(MODEL, ENGINE, LOAD)
    blocks = sum(parameter.numel() for parameter in Walrus(MODEL, 67).blocks.parameters())
    assert everything.gradients - found.gradients == pytest.approx(4 * blocks)
    assert everything.optimizer - found.optimizer == pytest.approx(12 * blocks)
    assert found.weights == everything.weights


def test_less_memory_asks_first_for_recomputing_then_for_offloading():
    plain = step_footprint(MODEL, ENGINE, LOAD)
    thrifty = step_footprint(replace(MODEL, checkpoint_every=1), ENGINE, LOAD)
    assert thrifty.activations < 0.7 * plain.activations
    for memory, every, offload in (
        (10**12, 0, "none"),
        (thrifty.total / 0.8, 1, "none"),
        (1, 1, "optimizer"),
    ):
        chosen = fitted(MODEL, ENGINE, LOAD, int(memory))
        assert (chosen.model.checkpoint_every, chosen.engine.offload) == (every, offload)
        assert chosen.needed == step_footprint(chosen.model, chosen.engine, LOAD)
        assert fits(chosen.needed, int(memory)) == (memory > 1)


def test_an_optimiser_that_is_to_be_kept_by_the_cpu_gets_the_zero_stage_that_can():
    chosen = fitted(MODEL, replace(ENGINE, zero_stage=0), LOAD, 1)
    assert (chosen.engine.zero_stage, chosen.engine.offload) == (1, "optimizer")
    assert chosen.needed.host > chosen.needed.weights


def test_muon_stays_on_the_device():
    chosen = fitted(MODEL, replace(ENGINE, optimizer="muon"), LOAD, 1)
    assert chosen.engine.offload == "none"


def test_the_full_model_fits_an_80_gb_card_only_by_recomputing():
    model = replace(PRESETS["walrus"], checkpoint_every=0)
    load = replace(LOAD, schema=schema_of(512, 128), history=6)
    chosen = fitted(model, ENGINE, load, 80 * 10**9)
    assert (chosen.model.checkpoint_every, chosen.engine.offload) == (1, "none")
    words = in_words(chosen.needed)
    assert words.startswith("about ")
    assert "weights 5.14 GB, gradients 5.14 GB, optimiser 15.4 GB" in words


def test_running_out_of_memory_is_one_line_and_another_fault_keeps_its_own(tmp_path):
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory")):
        with pytest.raises(MismatchError, match="out of memory in a training step"), enough_memory(tmp_path):
            raise error
    with pytest.raises(MismatchError, match="out of memory"), enough_memory(tmp_path):
        torch.empty(2**55)
    with pytest.raises(RuntimeError, match="shapes"), enough_memory(tmp_path):
        torch.ones(2, 3) @ torch.ones(2, 3)
