import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from ingest.catalogue import find_recipe
from pipelines.dataset_facts import facts_of, published
from pipelines.dry_run import dry_run, dry_run_text
from pipelines.pretrain import app
from pipelines.recipe import DatasetChoice, find_run_recipe
from pipelines.simulate import simulate, simulation_text
from shards.errors import MismatchError, SettingsError
from walrus.model.cost import cost_of
from walrus.reading.ranks import Rank
from walrus.reading.stream import Shards, plan_stream

NAMES = ("shear_flow", "MHD_64")


@pytest.fixture(scope="module")
def recipe():
    chosen = find_run_recipe("tiny", ("stream.micro_batches=4",))
    return replace(chosen, datasets=tuple(DatasetChoice(name, weight=n + 1) for n, name in enumerate(NAMES)))


def test_the_plan_told_is_the_plan_trained(root, recipe):
    told = dry_run(recipe, root, 4, 2)
    document = json.loads(json.dumps(told.document))
    shards = Shards.open(root, NAMES)
    plan = plan_stream(
        shards, {"shear_flow": 1, "MHD_64": 2}, recipe.stream, 0, cost_of(recipe.model_settings)
    )
    for step, micros in enumerate(document["first_steps"]):
        for group in range(2):
            mine = plan.of_group(step, Rank(2 * group, 4, 2))
            found = [micro for micro in micros if micro["group"] == group]
            assert [micro["number"] for micro in found] == [micro.number for micro in mine]
            assert [micro["windows"] for micro in found] == [
                [[w.trajectory, w.first, w.stride] for w in micro.windows] for micro in mine
            ]
    task = document["tasks"]["MHD_64"]
    assert task["known_from"] == "shards"
    # 2 windows of 5 frames of 7 channels on 16^3 cells in float32.
    assert task["bytes"] == 2 * 5 * 7 * 16**3 * 4
    assert task["weight"] == 2
    assert "4 ranks in 2 groups" in dry_run_text(told)


def test_ranks_that_cannot_share_are_refused_before_anything_runs(root, recipe):
    with pytest.raises(MismatchError, match="2 windows cannot be shared by 4 ranks"):
        dry_run(recipe, root, 4, None)
    with pytest.raises(MismatchError, match="4 micro-batches, which 8 groups cannot share"):
        dry_run(recipe, root, 8, 8)


def test_a_dataset_is_known_from_shards_or_sources_or_the_catalogue(root, tmp_path, samples):
    assert facts_of(DatasetChoice("MHD_64"), root).origin == "shards"
    sources = facts_of(DatasetChoice("MHD_64", path=str(samples / "well/MHD_64")), tmp_path)
    assert (sources.origin, sources.schema) == ("sources", facts_of(DatasetChoice("MHD_64"), root).schema)
    assert sources.frames == facts_of(DatasetChoice("MHD_64"), root).frames
    far = facts_of(DatasetChoice("MHD_64"), tmp_path)
    assert (far.origin, far.schema.grid.shape, far.frames) == ("catalogue", (64, 64, 64), (100,) * 80)
    unsized = replace(find_recipe("MHD_64"), expected=replace(find_recipe("MHD_64").expected, frames=None))
    with pytest.raises(SettingsError, match="MHD_64: the catalogue does not know its size"):
        published(unsized)


def test_a_dataset_that_no_catalogue_has_is_known_by_its_own_recipe(tmp_path, samples):
    folder = samples / "held_out"
    choice = DatasetChoice("cns2d", str(folder), recipe=str(folder / "cns2d.toml"))
    assert facts_of(choice, tmp_path).origin == "sources"
    with pytest.raises(SettingsError, match="no recipe named cns2d"):
        facts_of(DatasetChoice("cns2d", str(folder)), tmp_path)


def test_the_published_run_is_described_without_any_data(tmp_path):
    document = dry_run(find_run_recipe("walrus-published"), tmp_path, 96, None).document
    assert len(document["tasks"]) == 19
    assert (document["groups"], document["parameters"]) == (24, 1_286_199_046)
    windows = {name: task["windows"] for name, task in document["tasks"].items()}
    assert (windows["shear_flow"], windows["MHD_64"]) == (8, 4)
    # 768 windows of a 2D task or 384 of a 3D one would be a step of that task alone.
    assert 96 * 8 == 768
    assert 0 < document["idle_share"] < 0.05
    assert 20e9 < document["memory"]["total"] < 80e9


def test_the_simulation_of_the_published_run_ranks_the_three_ways(tmp_path):
    simulation = simulate(find_run_recipe("walrus-published"), tmp_path)
    document = simulation.document
    for row in document["rows"]:
        assert row["busy_random"] < row["busy_grouped"] <= row["busy_balanced"] <= 1
        assert row["gain_balanced"] == pytest.approx(row["busy_balanced"] / row["busy_random"])
    assert {row["ranks"] for row in document["rows"]} == {8, 96, 1024}
    assert document["published"]["share"] == pytest.approx(5 / 19)
    assert "+262 %" in simulation_text(simulation)


def test_a_recipe_of_planes_alone_has_no_published_gain(root, recipe):
    planes = replace(recipe, datasets=recipe.datasets[:1])
    assert "does not apply" in simulation_text(simulate(planes, root))


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--dry-run", "--ranks", 8), ("--simulate",), ()])
def test_the_command_prints_one_document_and_writes_nothing(tmp_path, options):
    done = CliRunner().invoke(
        app, list(map(str, ("walrus-published", "--root", tmp_path, *options, "--json")))
    )
    if options:
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["title"] == "Pretraining of Walrus as published"
    else:
        assert done.exit_code == 2
        assert "--out RUN" in done.stderr
    assert not list(tmp_path.iterdir())
