"""Which trajectories train, validate and test."""

from pathlib import Path

import pytest

from ingest.building.plan import BuildPlan, plan_build
from ingest.catalogue import find_recipe
from ingest.recipe import Recipe
from ingest.split import HeldOutRule, SplitRule
from shards.errors import SettingsError
from shards.program.settings import dump_toml, make, override, read_toml
from shards.read import Dataset


def recipe(waves, *held_out: dict, **changes) -> Recipe:
    tables = read_toml(waves.recipe) | {"held_out": list(held_out)} | changes
    return make(Recipe, tables, "waves.toml")


def places(made: BuildPlan) -> list[tuple[str, str, int]]:
    return [(t.split, t.origin.file, t.origin.row) for part in made.parts for t in part.trajectories]


def test_files_are_held_out_by_name_and_the_others_train(waves):
    for name in ("cold/run_7", "cold/run_12", "warm/run_7"):
        waves.write(name, rows=1)
    rules = {"splits": ["valid"], "files": "cold/*_7.hdf5"}, {"splits": ["test"], "files": "run_12.*"}
    made = plan_build(recipe(waves, *rules), waves.source, "zarr", "raw")
    assert places(made) == [
        ("train", "warm/run_7.hdf5", 0),
        ("valid", "cold/run_7.hdf5", 0),
        ("test", "cold/run_12.hdf5", 0),
    ]


def test_a_folder_is_known_by_its_name_wherever_the_source_begins(waves, monkeypatch):
    waves.write("cold/run", rows=1)
    waves.write("cold/other", rows=1)
    monkeypatch.chdir(waves.source / "cold")
    rule = {"splits": ["test"], "files": "cold/run.hdf5"}
    for start in (waves.source, waves.source / "cold", Path()):
        made = plan_build(recipe(waves, rule), start, "zarr", "raw")
        assert [split for split, *_ in places(made)] == ["train", "test"]


def test_a_run_held_out_for_two_splits_is_stored_for_both(waves, build):
    waves.write("a", rows=2)
    waves.write("b", rows=1)
    rule = '[[held_out]]\nsplits = ["test", "valid"]\nfiles = "b.*"\n'
    waves.recipe.write_text(waves.recipe.read_text() + rule)
    assert build().exit_code == 0
    dataset = Dataset(waves.source.parent / "root" / "waves")
    assert [(e.split, e.key) for e in dataset.index.trajectories] == [
        *(("train", "a-00000"), ("train", "a-00001")),
        *(("valid", "b-00000"), ("test", "b-00000")),
    ]
    assert dataset.card.split[0] == "files b.*: test and valid"
    assert dataset.card.split[1] == "the others: by their folder, otherwise 100 % train in order"
    # Who adds up the counts finds three runs in four trajectories.
    assert dataset.card.split[2] == "1 trajectory is both in valid and in test: stored and counted twice"
    assert build().stdout.endswith("nothing to do\n")


def test_what_should_be_held_out_and_is_not_there_is_named(waves, caplog):
    waves.write("cold/run_7", rows=1)
    waves.write("warm/run_7", rows=1)
    rules = (
        {"splits": ["valid"], "files": "cold/*", "scalars": {"slope": [0.25, 0.5]}},
        {"splits": ["test"], "files": "warm/*"},
    )
    plan_build(recipe(waves, *rules), waves.source, "zarr", "raw")
    assert [record.getMessage() for record in caplog.records] == [
        "waves: no input matches these rules of [[held_out]]: files cold/* with slope 0.5: valid; is a file "
        "missing, or a folder renamed?"
    ]
    caplog.clear()
    waves.write("cold/run_7", rows=1).unlink()
    plan_build(
        recipe(waves, *rules, split={"train": 1.0, "valid": 0.0, "test": 0.0}), waves.source, "zarr", "raw"
    )
    assert "files cold/* with slope 0.25 or 0.5: valid; is a file" in caplog.text


def test_trajectories_are_held_out_by_their_parameters():
    rule = HeldOutRule(("test",), scalars={"Re": (100.0, 0.1), "Ma": (2.0,)})
    held = [(100, 2.0), (0.10000000149, 2.0), (100, 3.0), (101, 2.0)]
    assert [rule.holds(Path("run"), {"Re": re, "Ma": ma}) for re, ma in held] == [True, True, False, False]
    assert not rule.holds(Path("run"), {"Re": 100})
    assert str(rule) == "Re 100 or 0.1 and Ma 2: test"


def test_what_is_held_out_leaves_the_split_folders(good):
    made = plan_build(
        recipe(good, {"splits": ["test"], "files": "train/two.hdf5"}), good.source, "zarr", "raw"
    )
    assert {path for split, path, _ in places(made) if split == "test"} == {"train/two.hdf5", "test/one.hdf5"}
    # Files of one name in several folders are told apart, since their folder decides no more.
    assert len({t.key for part in made.parts for t in part.trajectories}) == 9


def test_the_others_are_shared_out_as_the_recipe_says(waves):
    waves.write("a", rows=10)
    waves.write("b", rows=1)
    rule, shares = {"splits": ["test"], "files": "b.*"}, {"train": 0.8, "valid": 0.2, "test": 0}
    made = plan_build(recipe(waves, rule, split=shares), waves.source, "zarr", "raw")
    assert [split for split, *_ in places(made)] == ["train"] * 8 + ["valid"] * 2 + ["test"]


def test_pool_boiling_is_held_out_as_in_the_paper():
    found = find_recipe("bubbleml_poolboiling_subcooled")
    asked = [
        ("PoolBoiling-Subcooled-FC72-2D", 97),
        ("PoolBoiling-Subcooled-R515B-2D", 97),
        ("x-R515B-2D", 40),
    ]
    held = [
        found.held_out_for(Path(f"/data/{study}/Twall_{t}.hdf5"), {"Twall": float(t)}) for study, t in asked
    ]
    assert held == [("valid", "test"), (), ("valid", "test")]
    assert found.shares == SplitRule(1, 0, 0)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"splits": ["test"]}, "it selects no trajectories"),
        ({"splits": [], "files": "*"}, "expected valid, test or both"),
        ({"splits": ["train"], "files": "*"}, "held_out.0.splits.0"),
        ({"splits": ["test"], "files": "../*"}, "expected a pattern below the given folder"),
        ({"splits": ["test"], "file": "*"}, "unknown key held_out.0.file; did you mean files?"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(waves, rule, words):
    with pytest.raises(SettingsError) as caught:
        recipe(waves, rule)
    assert words in str(caught.value)


def test_a_rule_survives_being_written(waves):
    rule = {"splits": ["test"], "files": "a*", "scalars": {"Re": [1.0, 2.0]}}
    text = dump_toml({"held_out": [rule]})
    path = waves.recipe.with_name("more.toml")
    path.write_text(waves.recipe.read_text() + text)
    assert make(Recipe, override(read_toml(path), ()), "more").held_out == recipe(waves, rule).held_out
