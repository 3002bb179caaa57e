"""The plan depends on the inputs and the recipe, and on nothing else."""

import math

import h5py
import numpy as np
import pytest

import ingest.building.part_groups
from ingest.building.plan import BuildPlan, plan_build
from ingest.catalogue import find_recipe
from ingest.split import SplitRule
from shards.errors import SourceError


def plan(waves, packaging="zarr", codec="lz4", *assignments: str) -> BuildPlan:
    return plan_build(find_recipe(str(waves.recipe), assignments), waves.source, packaging, codec)


def keys(made: BuildPlan) -> list[tuple[str, str]]:
    return [(t.split, t.key) for part in made.parts for t in part.trajectories]


def test_trajectories_are_ordered_by_split_file_and_row(good):
    made = plan(good)
    assert keys(made) == [
        *[("train", f"one-0000{row}") for row in (0, 1, 2)],
        *[("train", f"two-0000{row}") for row in (0, 1)],
        *[("valid", f"one-0000{row}") for row in (0, 1)],
        *[("test", f"one-0000{row}") for row in (0, 1)],
    ]
    assert [part.name for part in made.parts] == ["train-00000", "train-00001", "valid-00000", "test-00000"]
    assert plan(good) == made


def test_a_tar_takes_in_several_files_a_zarr_part_keeps_to_one(good, monkeypatch):
    assert [len(part.trajectories) for part in plan(good, "webdataset").parts] == [5, 2, 2]
    monkeypatch.setitem(ingest.building.part_groups.PART_BYTES, "webdataset", 2 * 5 * 3 * 24 * 4)
    assert [len(part.trajectories) for part in plan(good, "webdataset").parts] == [2, 1, 1, 1, 2, 2]


def test_many_small_files_share_the_parts_of_the_zarr_packaging(good, monkeypatch):
    monkeypatch.setattr(ingest.building.part_groups, "MANY_FILES", 1)
    assert [len(part.trajectories) for part in plan(good).parts] == [5, 2, 2]
    # The second file does not fit next to the three trajectories of the first one.
    monkeypatch.setattr(ingest.building.part_groups, "SMALL_FILES_BYTES", 3 * 5 * 3 * 24 * 4)
    assert [len(part.trajectories) for part in plan(good).parts] == [3, 2, 2, 2]


@pytest.mark.parametrize(("rms", "k"), [(1.0, 0), (3.0, 2), (2.7, 1), (1e-6, -20), (1e6, 20), (0.0, 0)])
def test_k_is_the_power_of_two_nearest_the_rms_of_the_train_split(waves, rms, k):
    alternating = np.where(np.arange(5) % 2, rms, -rms).reshape(1, 5, 1, 1) * np.ones((2, 1, 6, 4))
    waves.write("train/one", rows=2, height=alternating.astype("f4"))
    waves.write("test/one", rows=2, height=(1000 * alternating).astype("f4"))
    made = plan(waves)
    assert made.powers["height"] == k
    assert rms == 0 or abs(k - math.log2(rms)) <= 0.5


def test_all_components_of_a_vector_share_one_k(good):
    made = plan(good)
    assert set(made.powers) == {"height", "flow", "depth"}
    assert made.frame_powers == (made.powers["height"], *[made.powers["flow"]] * 2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_k_does_not_break_on_bad_values(good, value):
    height = np.ones((2, 5, 6, 4), "f4")
    height[:, 2] = value
    good.write("train/three", rows=2, height=height)
    assert plan(good).powers["depth"] == 1


def test_a_file_whose_data_are_damaged_stops_nothing_but_itself(good):
    good.spoil(good.write("train/bad", rows=2))
    assert ("train", "bad-00000") in keys(plan(good))


def test_names_that_give_the_same_key_are_told_apart(waves):
    for name in ("train/a.b", "train/a-b", "train/sub/train/a b", "train/c", "test/C"):
        waves.write(name, rows=1)
    made = plan(waves)
    assert len(set(keys(made))) == 5
    assert {("train", "c-00000"), ("test", "C-00000")} < set(keys(made))
    assert sorted(key[:4] for split, key in keys(made) if split == "train") == [
        "a-b-",
        "a-b-",
        "a-b-",
        "c-00",
    ]


def test_names_that_differ_in_case_give_keys_that_differ_in_more(waves):
    for name in ("train/run", "train/Run", "train/other"):
        waves.write(name, rows=1)
    found = [key for _, key in keys(plan(waves))]
    assert len({key.lower() for key in found}) == 3
    assert "other-00000" in found


def test_a_file_outside_the_split_folders_takes_no_key_of_one_inside(waves):
    waves.write("train/a", rows=2)
    waves.write("a", rows=10)
    assert len(set(keys(plan(waves)))) == 12


@pytest.mark.parametrize(
    ("rows", "counts"), [(1, (1, 0, 0)), (2, (2, 0, 0)), (3, (1, 1, 1)), (10, (8, 1, 1)), (20, (16, 2, 2))]
)
def test_rows_without_a_split_are_shared_out_in_order(waves, rows, counts):
    waves.write("all", rows=rows)
    splits = [split for split, _ in keys(plan(waves))]
    assert splits == ["train"] * counts[0] + ["valid"] * counts[1] + ["test"] * counts[2]
    assert SplitRule() == SplitRule(0.8, 0.1, 0.1)


def test_the_recipe_decides_and_not_the_first_file(waves):
    """The first file has another field, then another grid; where the recipe says nothing, the first
    decides.
    """
    with h5py.File(waves.write("train/a"), "r+") as file:
        file.move("t0_fields/depth", "t0_fields/wealth")
        file["t0_fields"].attrs["field_names"] = ["height", "wealth"]
    random = np.random.default_rng(1)
    wide = {"height": random.normal(size=(3, 5, 7, 4)), "flow": random.normal(size=(3, 5, 7, 4, 2))}
    small = {name: values.astype("f4") for name, values in wide.items()}
    path = waves.write("train/b")
    with h5py.File(path, "r+") as file:
        for name, values in (*small.items(), ("depth", random.normal(size=(3, 7, 4)).astype("f4"))):
            place = file[f"t{int(name == 'flow')}_fields"]
            attributes = dict(place[name].attrs)
            del place[name]
            place.create_dataset(name, data=values).attrs.update(attributes)
        del file["dimensions/x"], file["boundary_conditions/x/mask"]
        file["dimensions/x"], file["boundary_conditions/x/mask"] = (
            np.arange(7) + 0.5,
            [True] + [False] * 5 + [True],
        )
    waves.write("train/c")
    waves.write("train/d")
    assert [item.path for item in plan(waves).refused] == [f"train/{name}.hdf5" for name in "acd"]
    asked = plan(waves, "zarr", "lz4", "expected.grid=[6, 4]")
    assert [item.path for item in asked.refused] == ["train/a.hdf5", "train/b.hdf5"]
    assert "lacks depth and has in addition to the recipe wealth" in asked.refused[0].reason
    assert "grid (7, 4), expected (6, 4) as in train/c.hdf5" in asked.refused[1].reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"height": np.zeros((3, 5, 7, 4), "f4")}, "shape"),
        ({"x": np.arange(6) + 100.0}, "coordinates differ from those in test/one.hdf5"),
        ({"height": np.ones((3, 5, 6, 4))}, "dtype float64, expected float32 as in test/one.hdf5"),
    ],
)
def test_a_file_that_differs_from_the_first_is_refused_alone(good, change, words):
    good.write("train/one", **change)
    made = plan(good)
    (refused,) = made.refused
    assert (refused.path, refused.row) == ("train/one.hdf5", None)
    assert words in refused.reason
    assert str(good.source) not in refused.reason
    assert ("train", "one-00000") not in keys(made)
    assert len(keys(made)) == 6


def test_coordinates_may_differ_by_rounding(good):
    good.write("train/one", x=(np.arange(6) + 0.5).astype("f4") + np.float32(1e-5))
    assert plan(good).refused == ()


@pytest.mark.parametrize("axis", ["x", "y"])
def test_each_axis_is_held_to_its_own_length(good, axis):
    """The longest axis is a hundred times the other: what is rounding on it is another grid there."""
    cells = {"x": np.arange(6) * 0.01, "y": np.arange(4) * 2.0}
    for path in good.source.rglob("*.hdf5"):
        with h5py.File(path, "r+") as file:
            for name, centres in cells.items():
                other = name == axis and path.parent.name == "valid"
                file[f"dimensions/{name}"][...] = centres * (1.01 if other else 1)
    (refused,) = plan(good).refused
    assert refused.path == "valid/one.hdf5"
    assert refused.reason.startswith("coordinates differ from those in")


def test_a_parameter_that_one_file_lacks_is_told(good):
    with h5py.File(good.source / "valid" / "one.hdf5", "r+") as file:
        file["scalars"].attrs["field_names"] = np.empty(0)
    (refused,) = plan(good).refused
    assert (refused.path, refused.row) == ("valid/one.hdf5", None)
    assert refused.reason.startswith("parameters [], expected ['slope'] as in ")


def test_a_trajectory_with_bad_times_is_refused_alone(good):
    good.write("train/one", time=np.array([0.0, 1.0, 2.0, 2.0, 3.0]))
    made = plan(good)
    assert [(item.path, item.row) for item in made.refused] == [("train/one.hdf5", row) for row in (0, 1, 2)]
    assert len(keys(made)) == 6


def test_files_without_one_usable_trajectory_are_an_error(waves):
    waves.write("train/one", time=np.zeros(5))
    with pytest.raises(
        SourceError, match=r"no trajectory can be used; the first: train/one.hdf5: time does not"
    ):
        plan(waves)


def digests(made: BuildPlan) -> dict[str, str]:
    return {part.name: part.digest for part in made.parts}


@pytest.mark.parametrize(
    "other",
    [
        {"packaging": "webdataset"},
        {"codec": "raw"},
        {"assignments": ("skip_frames=1",)},
    ],
)
def test_what_decides_the_bytes_is_in_the_digest_of_every_part(good, other):
    first = digests(plan(good))
    second = digests(
        plan(good, other.get("packaging", "zarr"), other.get("codec", "lz4"), *other.get("assignments", ()))
    )
    assert set(first.values()).isdisjoint(second.values())


@pytest.mark.parametrize(
    ("name", "size"), [("ingest.building.plan.SHARD_BYTES", 600), ("shards.shard.LARGEST_CHUNK", 100)]
)
def test_sizes_that_decide_the_bytes_are_in_the_digest(good, monkeypatch, name, size):
    first = digests(plan(good))
    monkeypatch.setattr(name, size)
    assert set(first.values()).isdisjoint(digests(plan(good)).values())


def test_a_changed_input_changes_the_digest_of_its_parts_only(good):
    first = digests(plan(good))
    values = np.asarray(h5py.File(good.source / "train" / "two.hdf5")["t0_fields/height"])
    values[1, 3, 2, 1] += 0.25
    good.write("train/two", rows=2, frames=7, height=values)
    second = digests(plan(good))
    assert [name for name in first if first[name] != second[name]] == ["train-00001"]
