"""What walrus-finetune decides before it trains; the command itself runs in test_commands.py."""

from dataclasses import replace

import pytest
import torch

from pipelines.finetune import count_of
from pipelines.finetuning import (
    check_fit,
    finetune_recipe,
    fit_memory,
    recipe_for,
    rollout_that_fits,
    words_on_length,
)
from pipelines.model_card import BaseModel, model_card
from pipelines.recipe import find_run_recipe
from shards.errors import MismatchError, SettingsError, ShardError
from shards.read import Dataset
from walrus.checkpoint import ModelDescription, load_description
from walrus.model.settings import PRESETS, ModelSettings
from walrus.reading.ranks import Rank
from walrus.training.fit_memory import TrainingLoad
from walrus.training.rollout_training import RolloutSettings
from walrus.vocabulary import PUBLISHED

BASE = ModelDescription(
    model=ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=2),
    vocabulary=PUBLISHED.names,
    history_2d=5,
    history_3d=3,
    eps=1e-4,
    jitters=False,
    step=9,
    seed=0,
    datasets=("MHD_64",),
    licences={"MHD_64": "CC-BY-4.0"},
)


@pytest.fixture(scope="module")
def flow(root):
    return Dataset(root / "shear_flow")


def test_samples_are_words_or_numbers():
    assert [count_of(text) for text in ("2000", "500k", "1.5M")] == [2000, 500_000, 1_500_000]
    for wrong in ("none", "0", "-3", "k", "inf", "nan"):
        with pytest.raises(SettingsError, match="expected a number of windows"):
            count_of(wrong)


def recipe(name, dataset, samples=204_000):
    return finetune_recipe(
        find_run_recipe(name), "shear_flow", "runs/base", BASE, samples, dataset.card.schema
    )


def test_the_default_recipe_keeps_history_jitter_and_eps_of_its_base(flow):
    chosen = recipe("finetune", flow)
    assert (chosen.stream.history_2d, chosen.training.jitter, chosen.training.eps) == (5, False, 1e-4)
    assert chosen.schedule.steps == 204_000 / 4
    assert chosen.training.normalise == "sample"
    assert chosen.early_stopping.every == 500


def test_a_narrow_base_is_fine_tuned_by_a_recipe_of_its_own(flow):
    assert recipe_for(BASE) == recipe_for(replace(BASE, model=PRESETS["tiny"])) == "finetune-tiny"
    assert recipe_for(replace(BASE, model=PRESETS["small"])) == "finetune"
    assert recipe_for(replace(BASE, model=PRESETS["walrus"])) == "finetune"


def test_a_narrow_base_is_fine_tuned_as_tiny_is_trained_and_on_rollouts_as_demo_is(flow):
    narrow, tiny, demo = recipe("finetune-tiny", flow), find_run_recipe("tiny"), find_run_recipe("demo")
    assert narrow.engine == tiny.engine == demo.engine
    assert (narrow.schedule.rate, narrow.stream.rotate) == (tiny.schedule.rate, tiny.stream.rotate)
    assert narrow.training.loss == tiny.training.loss
    assert narrow.rollout == demo.rollout
    assert narrow.schedule.steps * 2 == 204_000


@pytest.mark.parametrize(
    ("history", "steps", "words"),
    [
        (4, 5, ""),
        (19, 5, ""),
        (
            21,
            3,
            "rollouts of 3 steps, not 5: a training trajectory has 24 frames",
        ),
        (23, 1, "rollouts of 1 step, not 5"),
    ],
)
def test_rollouts_are_as_long_as_every_training_trajectory_allows(flow, capsys, history, steps, words):
    assert rollout_that_fits(RolloutSettings(5, 0.25), flow, history) == RolloutSettings(steps, 0.25)
    said = capsys.readouterr().err
    assert words in said
    assert bool(words) == bool(said)


def test_the_published_recipe_is_as_published(flow):
    chosen = recipe("finetune-published", flow, samples=500_000)
    schedule, tuning = chosen.schedule, chosen.tuning
    assert schedule.steps * 4 == pytest.approx(500_000, rel=0.001)
    assert (schedule.rate, schedule.warm_up, schedule.cool_down, schedule.first_share) == (1e-4, 20, 10, 0.01)
    assert (chosen.training.normalise, chosen.training.eps) == ("dataset", 1e-8)
    assert (tuning.train, tuning.learned_rotary, tuning.position, tuning.drop_path) == ("all", True, False, 0)
    assert (chosen.stream.largest_stride, chosen.stream.rotate) == (1, False)
    assert (chosen.engine.clip, chosen.engine.optimizer, chosen.early_stopping.every) == (10, "adamw", 0)


def test_base_and_data_that_do_not_go_together_are_refused_before_training(root, flow, tmp_path):
    check_fit(BASE, flow)
    plane = replace(BASE, model=replace(BASE.model, dimensions=(2,)))
    with pytest.raises(
        MismatchError, match=r"MHD_64: a grid of 3 axes; the base model has dimensions \(2,\)"
    ):
        check_fit(plane, Dataset(root / "MHD_64"))
    with pytest.raises(
        MismatchError, match="longest train trajectory has 24 frames; the base model looks back 24"
    ):
        check_fit(replace(BASE, history_2d=24), flow)
    with pytest.raises(MismatchError, match=r"has no test trajectories \(8 train, 2 valid, 0 test\); say in"):
        check_fit(BASE, WithoutTest(root / "shear_flow"))
    (tmp_path / "walrus.pt").write_bytes(b"")
    with pytest.raises(ShardError, match=r"is a file; expected the folder .* walrus-convert"):
        load_description(tmp_path / "walrus.pt")


def test_another_length_than_was_asked_for_is_told_with_the_reason(flow):
    asked = {samples: recipe("finetune", flow, samples) for samples in (204, 408, 120)}
    words = {samples: words_on_length(chosen, samples, 4) for samples, chosen in asked.items()}
    assert words[204] == "length: 51 steps of 4 windows"
    assert words[408] == "length: 102 steps of 4 windows"
    assert words[120].startswith(
        "length: 51 steps of 4 windows, 204 windows in all and not 120: each of the 51 epochs of the recipe"
    )


class WithoutTest(Dataset):
    def entries(self, split):
        return () if split == "test" else super().entries(split)


def test_a_machine_that_is_too_small_is_told(flow, capsys, monkeypatch):
    chosen = recipe("finetune", flow)
    load = TrainingLoad(67, chosen.tuning, flow.card.schema, 5, 4, Rank())
    monkeypatch.setattr("pipelines.finetuning.machine_memory", lambda: 10**9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert fit_memory(BASE.model, chosen, load) == (BASE.model, chosen)
    assert "this machine has 1 GB" in capsys.readouterr().err
    monkeypatch.setattr("pipelines.finetuning.machine_memory", lambda: 10**6)
    fit_memory(BASE.model, chosen, load)
    assert "this will probably not be enough" in capsys.readouterr().err
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    model, changed = fit_memory(BASE.model, chosen, load)
    assert (model.checkpoint_every, changed.engine.offload) == (1, "optimizer")
    assert "computed again" in capsys.readouterr().err


def test_the_card_tells_data_licence_recipe_and_limits(flow):
    chosen = recipe("finetune", flow)
    tuned = replace(BASE, datasets=("shear_flow",), step=40)
    card = replace(flow.card, licence="")
    text = model_card(chosen, tuned, [card], BaseModel("base", BASE), 2_980_000, "dataset  model")
    for words in (
        "# Fine-tuning on shear_flow",
        "2.98 million parameters",
        "- fields: tracer, pressure, velocity_x, velocity_y",
        "- grid: 32 x 64 (cartesian); trajectories: 8 train, 2 valid, 2 test",
        "- licence of the data: not stated; ask whoever made the data",
        "Licences of the data: one that is not stated. Share the model under terms",
        "- began as `base` (9 steps on MHD_64); licences of its data: MHD_64: CC-BY-4.0",
        "- 40 steps at a rate of up to 0.0001 (adamw); trained: encoder, decoder and the blocks; seed 0",
        "dataset  model",
        "- It looks back 5 frames",
    ):
        assert words in text, words
    tied = replace(tuned, model=replace(tuned.model, position_grid=(4, 8, 1)))
    limit = "Its position embedding works on this grid only"
    assert limit in model_card(chosen, tied, [card], BaseModel("base", BASE), 1, "")
    assert limit not in text
    assert "- began with new weights\n" in model_card(chosen, tuned, [card], None, 1, "")
