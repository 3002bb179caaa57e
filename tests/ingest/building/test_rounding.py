"""`--keep-error`: values lose bits, none more than is allowed, and the card says how much."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.building.rounding import Rounding
from shards.codec import rounded
from shards.read import Dataset

PACKAGINGS = pytest.mark.parametrize("packaging", ["zarr", "webdataset"])


@given(st.floats(-(2.0**100), 2.0**100, width=32), st.integers(0, 23))
def test_rounding_gives_the_nearest_value_of_so_many_bits(value, bits):
    (found,) = rounded(np.array([value], "f4"), bits)
    _, exponent = np.frexp(np.float64(value))
    # The mantissa that frexp gives lies in [0.5, 1): one bit of it is the one that is not stored.
    step = 2.0 ** (max(exponent, -125) - bits - 1)
    nearest = np.round(np.float64(value) / step) * step
    assert abs(np.float64(found) - value) == abs(nearest - value)
    assert found % step == 0


def test_values_that_need_no_rounding_stay_bit_by_bit():
    values = np.array([0.0, -0.0, 1.5, -2.0, 1024.0], "f4")
    assert rounded(values, 1).tobytes() == values.tobytes()
    assert rounded(values, 23) is values


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("k", [0, 12, -20])
@pytest.mark.parametrize("allowed", [0.0, 1e-7, 1e-3, 1.0, 1e6])
def test_no_value_is_further_than_allowed_and_fewer_bits_would_not_do(dtype, k, allowed):
    values = (np.random.default_rng(3).normal(size=5000) * 2.0**-k).astype(dtype)
    rounding = Rounding(allowed, 2.0**k, np.dtype(dtype).name)
    found, error = rounding.apply(values)
    assert error == np.abs(found.astype("f8") - values).max() * 2.0**k <= allowed
    kept = np.finfo(dtype).nmant
    while kept and np.array_equal(rounded(found, kept - 1), found):
        kept -= 1
    if 0 < kept < np.finfo(dtype).nmant:
        assert np.abs(rounded(values, kept - 1).astype("f8") - values).max() * 2.0**k > allowed


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("values", [[0.0, 0.0], [3.4e38, -3.4e38], [1e-45, 0.0], [np.finfo("f4").max, 1.0]])
def test_the_ends_of_the_number_range_are_kept_within_what_is_allowed(values):
    stored = np.array(values, "f4")
    for allowed in (0.0, 1e-3, 1e30):
        found, _ = Rounding(allowed, 1.0, "float32").apply(stored)
        assert np.abs(found.astype("f8") - stored).max() <= allowed


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "root" / "waves"


def noisy(waves, name: str, outlier: float = 1.0, dtype: str = "f4") -> np.ndarray:
    height = np.random.default_rng(len(name)).normal(size=(3, 12, 6, 4)).astype(dtype)
    height[1, 7, 2, 2] *= outlier
    flow = np.random.default_rng(9).normal(size=(3, 12, 6, 4, 2)).astype(dtype)
    waves.write(name, frames=12, height=height, flow=flow, depth=np.ones((3, 6, 4), dtype))
    return height


@PACKAGINGS
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_error_is_within_the_bound_measured_and_in_the_card(
    waves, build, command, folder, packaging, dtype, physical
):
    height = noisy(waves, "train/one", 1e4, dtype)
    assert build("--format", packaging, "--keep-error", 0.01).exit_code == 0
    card = Dataset(folder).card
    assert set(card.errors) == {"height", "flow"}
    # A hundredth of the change leaves more than the 24 bits of float32 unused.
    assert card.schema.dtype == "float32"
    change = np.sqrt(np.mean(np.diff(np.delete(height, 1, 0).astype("f8"), axis=1) ** 2))
    assert card.errors["height"].allowed == pytest.approx(0.01 * change, rel=0.3)
    found = np.stack([physical(folder, "train", row)[:, 0] for row in range(3)])
    error = np.abs(found.astype("f8") - height).max()
    assert 0 < error == card.errors["height"].reached <= card.errors["height"].allowed
    assert card.moments["height"].max == height.max()
    result = command("verify", folder, "--against-source", waves.source)
    assert result.exit_code == 0
    assert f"equal within the error on the card to {waves.source}" in result.stdout


@pytest.mark.parametrize("allowed", [1e-9, 1e-6, 1e-3])
def test_float64_becomes_float32_and_its_error_is_that_of_both(allowed):
    values = np.random.default_rng(5).normal(size=5000) / 3
    found, error = Rounding(allowed, 0.25, "float32").apply(values)
    assert found.dtype == np.float32
    assert error == np.abs(found.astype("f8") - values).max() * 0.25
    assert (error <= allowed) == (allowed > 1e-7)


@pytest.mark.parametrize(
    ("change", "dtype"), [({}, "float32"), ({"offset": 1e6}, "float64"), ({"depth": 0.1}, "float64")]
)
def test_float64_stays_where_float32_would_lose_more_than_is_allowed(
    waves, build, command, folder, change, dtype
):
    random = np.random.default_rng(2)
    height = random.normal(size=(3, 12, 6, 4)) + change.get("offset", 0)
    waves.write(
        *("train/one", 3, 12),
        height=height,
        flow=random.normal(size=(3, 12, 6, 4, 2)),
        depth=np.full((3, 6, 4), change.get("depth", 0.5)),
    )
    assert build("--keep-error", 1e-4).exit_code == 0
    assert Dataset(folder).card.schema.dtype == dtype
    assert command("verify", folder, "--against-source", waves.source).exit_code == 0


def test_what_the_sample_did_not_foresee_is_left_out_and_told(waves, build, command, folder):
    height = noisy(waves, "train/one", 1e12, "f8")
    depth = np.ones((40, 6, 4))
    depth[1] += 1e-12
    flow = np.random.default_rng(3).normal(size=(40, 3, 6, 4, 2))
    waves.write("train/two", 40, 3, height=np.tile(height[0, :3], (40, 1, 1, 1)), flow=flow, depth=depth)
    assert build("--keep-error", 0.01).exit_code == 3
    first, second = (item.reason for item in Dataset(folder).card.quarantine)
    assert "height in frame 7 would have an error of" in first
    assert "values in a constant field would lose bits as float32" in second
    assert command("verify", folder, "--against-source", waves.source).exit_code == 0


def test_float64_is_added_to_what_became_float32(waves, build, command, folder):
    noisy(waves, "train/one", dtype="f8")
    build("--keep-error", 0.01)
    noisy(waves, "train/seven", dtype="f8")
    noisy(waves, "train/three", dtype="f4")
    added = command("append", waves.recipe, "--from", waves.source, "--to", folder.parent, "--workers", 1)
    assert "6 trajectories added" in added.stdout
    assert command("verify", folder, "--against-source", waves.source).exit_code == 0


def test_a_value_beyond_the_declared_error_is_found(waves, build, command, folder):
    noisy(waves, "train/one")
    build("--keep-error", 0.01)
    allowed = Dataset(folder).card.errors["height"].allowed
    with h5py.File(waves.source / "train" / "one.hdf5", "r+") as file:
        file["t0_fields/height"][1, 3, 2, 1] += 2.1 * allowed
    result = command("verify", folder, "--against-source", waves.source)
    assert result.exit_code == 1
    assert "frames 0 to 11 differ by more than the error on the card" in result.stderr


def test_fewer_bits_take_less_room(waves, build, tmp_path):
    height = np.random.default_rng(4).normal(size=(3, 12, 6, 4)).astype("f4")
    waves.write("train/one", frames=12, height=height)

    def written(*options: object, root: str) -> int:
        build("--codec", "zstd", "--format", "webdataset", *options, root=tmp_path / root)
        index = json.loads((tmp_path / root / "waves/index.json").read_text())
        return sum(s["fields"]["length"] for entry in index["trajectories"] for s in entry["segments"])

    whole, hundredth, tenth = (
        written(root="0"),
        written("--keep-error", 0.01, root="1"),
        written("--keep-error", 0.1, root="2"),
    )
    assert tenth < hundredth < whole


@PACKAGINGS
def test_rounded_bytes_are_the_same_from_jobs_workers_and_one(
    waves, build, command, folder, tmp_path, tree, packaging
):
    for name in ("train/one", "valid/seven", "test/three"):
        noisy(waves, name)
    options = ("--format", packaging, "--keep-error", 0.02)
    build(*options, root=tmp_path / "one")
    build(*options, "--workers", 2, root=tmp_path / "two")
    for job in (1, 2, 3, 4):
        build(*options, "--part", f"{job}/4")
    assert command("finish", folder).exit_code == 0
    assert tree(tmp_path / "one") == tree(tmp_path / "two") == tree(folder.parent)
    assert "nothing to do" in build(*options, root=tmp_path / "one").stdout
    assert "nothing to do" not in build("--format", packaging, root=tmp_path / "one").stdout
    assert Dataset(tmp_path / "one" / "waves").card.errors == {}


def test_what_is_added_keeps_the_same_bound(waves, build, command, folder):
    noisy(waves, "train/one")
    build("--keep-error", 0.01)
    before = Dataset(folder).card.errors
    noisy(waves, "train/seven", 1e3)
    assert (
        command(
            "append", waves.recipe, "--from", waves.source, "--to", folder.parent, "--workers", 1
        ).exit_code
        == 0
    )
    after = Dataset(folder).card.errors
    assert {n: e.allowed for n, e in after.items()} == {n: e.allowed for n, e in before.items()}
    assert all(error.reached <= error.allowed for error in after.values())
    assert command("verify", folder, "--against-source", waves.source).exit_code == 0


@pytest.mark.parametrize("share", ["0", "-1", "nan", "inf"])
def test_a_share_that_is_none_is_one_line(good, build, tmp_path, share):
    result = build(f"--keep-error={share}")
    assert (result.exit_code, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert "expected a positive share of the one-step change, such as 0.01" in line
    assert not (tmp_path / "root").exists()
