import pytest

from pipelines.recipe import find_run_recipe, run_recipes
from pipelines.train_run import resolved
from shards.errors import SettingsError


@pytest.mark.parametrize("name", run_recipes())
def test_every_recipe_of_the_package_can_be_read(name):
    recipe = find_run_recipe(name)
    assert recipe.schedule.steps > 0


def test_the_resolved_recipe_reads_back_as_itself(tmp_path):
    recipe = find_run_recipe("tiny", ("schedule.epochs=77", "size.hidden=64"))
    path = tmp_path / "again.toml"
    path.write_text(resolved(recipe))
    assert find_run_recipe(str(path)) == recipe
    assert recipe.schedule.epochs == 77
    assert recipe.model_settings.hidden == 64


def test_an_unknown_key_names_the_nearest(tmp_path):
    with pytest.raises(SettingsError, match=r"unknown key stream\.windows_2dd; did you mean windows_2d\?"):
        find_run_recipe("tiny", ("stream.windows_2dd=3",))


def test_a_value_out_of_range_is_named():
    with pytest.raises(SettingsError, match=r"stream\.micro_batches.*0"):
        find_run_recipe("tiny", ("stream.micro_batches=0",))


def test_unknown_recipes_and_presets_are_refused_with_what_there_is():
    with pytest.raises(SettingsError, match="no run recipe named huge; there is finetune, tiny"):
        find_run_recipe("huge")
    with pytest.raises(SettingsError, match="no such preset; there is tiny, small, half, walrus"):
        assert find_run_recipe("tiny", ("model=huge",)).model_settings
