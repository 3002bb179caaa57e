"""A part is done when its record is there and its files are; what is unfit is left out with a reason."""

from pathlib import Path

import numpy as np
import pytest

from ingest.building.part import build_part, unfit
from ingest.building.part_record import RECORDS, read_record, record_path
from ingest.building.plan import BuildPlan, plan_build
from ingest.catalogue import find_recipe
from shards.moments import merge_all, of_frames


@pytest.fixture(params=["zarr", "webdataset"])
def plan(request, waves) -> BuildPlan:
    height = np.ones((3, 5, 6, 4), "f4") * np.arange(5, dtype="f4").reshape(1, 5, 1, 1)
    height[1, 4, 2, 3] = np.nan
    waves.write("train/one", height=height)
    return plan_build(find_recipe(str(waves.recipe)), waves.source, request.param, "lz4")


@pytest.fixture
def dataset(tmp_path) -> Path:
    folder = tmp_path / "root" / "waves"
    (folder / RECORDS).mkdir(parents=True)
    return folder


def test_a_record_is_read_as_it_was_written(plan, dataset):
    (part,) = plan.parts
    assert read_record(dataset, part) is None
    assert build_part(plan, part, dataset) == read_record(dataset, part)


def test_an_unfit_trajectory_is_left_out_with_its_reason_and_costs_the_others_nothing(plan, dataset):
    record = build_part(plan, plan.parts[0], dataset)
    assert [entry.key for entry in record.entries] == ["one-00000", "one-00002"]
    (out,) = record.quarantine
    assert (out.path, out.row, out.reason) == ("train/one.hdf5", 1, "height is not finite in frame 4")
    assert not list(dataset.rglob("*00001*"))
    assert not list(dataset.rglob(".tmp-*"))


def test_the_moments_of_a_part_are_those_of_what_it_holds(plan, dataset):
    record = build_part(plan, plan.parts[0], dataset)
    height = np.arange(5, dtype="f4").reshape(5, 1, 1, 1) * np.ones((5, 1, 6, 4), "f4")
    one = merge_all(of_frames(height))
    (expected,) = merge_all([one, one])
    assert record.moments[0] == expected
    assert (expected.mean, expected.change_rms, expected.count) == (2.0, 1.0, 2 * 5 * 24)


def test_unfit_trajectories_are_foretold_without_writing(plan, dataset):
    assert [(item.row, item.reason) for item in unfit(plan, plan.parts[0].trajectories)] == [
        (1, "height is not finite in frame 4")
    ]
    assert [path.name for path in dataset.iterdir()] == [RECORDS]


@pytest.mark.parametrize("slab_frames", [1, 2, 5])
def test_the_bytes_do_not_depend_on_the_slab_they_are_read_in(plan, dataset, tree, slab_frames):
    build_part(plan, plan.parts[0], dataset)
    before = tree(dataset)
    build_part(plan, plan.parts[0], dataset, slab_frames * plan.schema.frame_bytes)
    assert tree(dataset) == before


@pytest.mark.parametrize("damage", ["digest", "text", "file cut", "file gone"])
def test_a_part_is_not_done_when_anything_of_it_is_missing(plan, dataset, damage):
    (part,) = plan.parts
    record = build_part(plan, part, dataset)
    path, shard = record_path(dataset, part.name), dataset / record.files[0].path
    if damage == "digest":
        path.write_text(path.read_text().replace(part.digest, part.digest[::-1]))
    elif damage == "text":
        path.write_text(path.read_text()[:-20])
    elif damage == "file cut":
        shard.write_bytes(shard.read_bytes()[:-1])
    else:
        shard.unlink()
    assert read_record(dataset, part) is None


def test_a_part_of_which_all_is_unfit_has_a_record_too(waves, dataset):
    waves.write("train/one", height=np.ones((3, 5, 6, 4), "f4"))
    plan = plan_build(find_recipe(str(waves.recipe)), waves.source, "zarr", "lz4")
    record = build_part(plan, plan.parts[0], dataset)
    assert record.entries == ()
    assert {item.reason for item in record.quarantine} == {
        'height never changes; declare it constant, set at_rest = "keep", or exclude the trajectory'
    }
    assert read_record(dataset, plan.parts[0]) == record
