from dataclasses import replace

import pytest
import torch

from ingest.catalogue import find_recipe
from pipelines.job import recipe_toml
from pipelines.recipe import find_run_recipe, run_recipes
from shards.errors import RenamedWarning, SettingsError
from walrus.model.walrus import Walrus
from walrus.training.schedule import ScheduleSettings
from walrus.vocabulary import PUBLISHED


@pytest.mark.parametrize("name", run_recipes())
def test_every_recipe_of_the_package_can_be_read(name):
    recipe = find_run_recipe(name)
    assert recipe.schedule.steps > 0
    for choice in recipe.datasets:
        assert find_recipe(choice.name, choice.set).name == choice.name


@pytest.mark.parametrize("name", ["tiny", "small", "half", "walrus", "walrus-published"])
def test_every_pretraining_recipe_builds_its_model(name):
    recipe = find_run_recipe(name)
    with torch.device("meta"):
        network = Walrus(recipe.model_settings, len(PUBLISHED))
    counts = {
        "tiny": 2.98e6,
        "small": 78.5e6,
        "half": 644.0e6,
        "walrus": 1286.2e6,
        "walrus-published": 1286.2e6,
    }
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(
        counts[name], rel=0.05
    )


def test_the_published_recipe_is_the_published_run():
    recipe = find_run_recipe("walrus-published")
    group = recipe.engine.mics_shard_size
    groups = 96 // group
    assert len(recipe.datasets) == 19
    assert {choice.weight for choice in recipe.datasets} == {1}
    # Four micro-batches a group and step, of 2 windows of a
    # 2D system or 1 of a 3D one a GPU: 768 or 384 in all.
    assert recipe.stream.micro_batches == 4 * groups
    assert recipe.stream.micro_batches * recipe.stream.windows_2d == 768
    assert recipe.stream.micro_batches * recipe.stream.windows_3d == 384
    assert (recipe.stream.history_2d, recipe.stream.history_3d, recipe.stream.largest_stride) == (6, 3, 5)
    assert (recipe.engine.optimizer, recipe.engine.betas, recipe.engine.eps) == ("adamw", (0.9, 0.999), 1e-10)
    assert (recipe.engine.weight_decay, recipe.engine.clip, recipe.engine.autocast) == (1e-4, 10.0, "")
    assert recipe.schedule == ScheduleSettings(rate=2e-4, epochs=201, steps_an_epoch=500)
    assert recipe.model_settings.drop_path == 0.05


def test_the_fast_recipe_differs_from_the_published_one_in_its_engine_alone():
    fast, published = find_run_recipe("walrus"), find_run_recipe("walrus-published")
    assert replace(fast, title=published.title, engine=published.engine) == published
    changed = replace(
        fast.engine,
        zero_stage=published.engine.zero_stage,
        mics_shard_size=published.engine.mics_shard_size,
        autocast=published.engine.autocast,
        compile=published.engine.compile,
        tf32=published.engine.tf32,
    )
    assert changed == published.engine


@pytest.mark.parametrize(("name", "stage"), [("small", 0), ("half", 1), ("walrus", 1)])
def test_recipes_for_gpus_train_in_bfloat16_with_compiled_blocks(name, stage):
    engine = find_run_recipe(name).engine
    assert (engine.autocast, engine.compile, engine.zero_stage) == ("bfloat16", True, stage)
    engine.check_machine(gpu=True)
    with pytest.raises(SettingsError, match="compile: is for GPUs"):
        engine.check_machine(gpu=False)


def test_the_resolved_recipe_reads_back_as_itself(tmp_path):
    recipe = find_run_recipe("tiny", ("schedule.epochs=77", "size.hidden=64"))
    path = tmp_path / "again.toml"
    path.write_text(recipe_toml(recipe))
    assert find_run_recipe(str(path)) == recipe
    assert recipe.schedule.epochs == 77
    assert recipe.model_settings.hidden == 64


def test_an_unknown_key_names_the_nearest(tmp_path):
    with pytest.raises(SettingsError, match=r"unknown key stream\.windows_2dd; did you mean windows_2d\?"):
        find_run_recipe("tiny", ("stream.windows_2dd=3",))


def test_a_value_out_of_range_is_named():
    with pytest.raises(SettingsError, match=r"stream\.micro_batches.*0"):
        find_run_recipe("tiny", ("stream.micro_batches=0",))


def test_settings_that_do_not_go_together_are_refused_in_one_line():
    with pytest.raises(SettingsError, match=r"set early_stopping\.every or engine\.ema to 0"):
        find_run_recipe("tiny", ("early_stopping.every=5", "engine.ema=0.99"))
    with pytest.raises(SettingsError, match="datasets has flow twice; raise its weight"):
        find_run_recipe("tiny", ('datasets=[{name="flow"},{name="wave"},{name="flow"}]',))


def test_unknown_recipes_and_presets_are_refused_with_what_there_is():
    with pytest.raises(
        SettingsError,
        match=r"named huge; expected one of demo, finetune.*, half, small, tiny, walrus-published, walrus;",
    ):
        find_run_recipe("huge")
    with pytest.raises(SettingsError, match="no such preset; expected one of tiny, small, half, walrus"):
        assert find_run_recipe("tiny", ("model=huge",)).model_settings


def test_a_table_by_its_old_name_is_read_with_a_note(tmp_path):
    path = tmp_path / "old.toml"
    path.write_text('title = "old"\ndatasets = []\n[watch]\nevery = 7\n')
    with pytest.warns(RenamedWarning, match=r"\[watch\] is now called \[early_stopping\]"):
        assert find_run_recipe(str(path)).early_stopping.every == 7
    with pytest.warns(RenamedWarning):
        chosen = find_run_recipe("finetune", ("watch.patience=3",))
    assert (chosen.early_stopping.every, chosen.early_stopping.patience) == (500, 3)
    with pytest.raises(SettingsError, match=r"watch is a value; expected a table \[early_stopping\]"):
        find_run_recipe("tiny", ("watch=3",))
