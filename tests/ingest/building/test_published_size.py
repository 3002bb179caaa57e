"""plan without files: what the published release holds, from the sizes in the recipe."""

import json

import pytest
from typer.testing import CliRunner

from ingest.building.published_size import published_size
from ingest.cli import app
from ingest.recipe import Recipe, RecipeField
from ingest.release import ExpectedSize
from shards.errors import SettingsError

FIELDS = (
    RecipeField("pressure"),
    RecipeField("velocity", rank=1),
    RecipeField("stress", rank=2),
    RecipeField("height", constant=True),
)


def recipe(**expected):
    return Recipe("waves", "arrays", "Waves", FIELDS, ("x", "y"), expected=ExpectedSize(**expected))


def test_a_frame_has_each_component_of_the_fields_that_change():
    # 1 + 2 + 4 channels of 48 x 1024 cells, 4 bytes each; 97 such frames fit into 128 MiB.
    found = published_size(recipe(grid=(48, 1024), frames=98, trajectories=3))
    assert (found.channels, found.frames, found.shards) == (7, 294, 6)
    assert found.bytes == 294 * 7 * 48 * 1024 * 4


def test_a_recipe_without_sizes_asks_for_the_files():
    with pytest.raises(SettingsError, match=r"waves: .* name the files with --from PATH"):
        published_size(recipe(grid=(48, 1024), frames=98))


def test_plan_needs_no_files_for_a_system_of_the_catalogue(tmp_path):
    for dataset in (["shear_flow"], ["shear_flow", "--to", str(tmp_path)], [f"{tmp_path}/shear_flow"]):
        done = CliRunner().invoke(app, ["plan", *dataset, "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["bytes"] == 1120 * 200 * 4 * 256 * 512 * 4
        assert "fetch shear_flow --list" in done.stderr
    assert list(tmp_path.iterdir()) == []
