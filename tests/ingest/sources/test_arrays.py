"""Files that only a recipe describes: every kind of file against its own library, then each fault once."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from numcodecs import Pickle
from zarr.storage import ZipStore

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.building.verify import source_faults
from ingest.formats.arrays import whole
from ingest.formats.open_any import open_arrays
from ingest.recipe import Recipe
from ingest.source import find
from shards.errors import SourceError
from shards.program.settings import make
from shards.read import Dataset
from shards.schema import Boundary, Cell

MORE = Path(__file__).parents[3].parent / "shared" / "samples"
N, T, X, Y = 2, 4, 3, 5
TABLES = {
    "name": "vortex",
    "source": "arrays",
    "title": "Vortices in a channel, stored as we like",
    "axes": ["x", "y"],
    "layout": "n t x y c",
    "fields": [
        {"name": "velocity", "rank": 1, "stored": ["flow"]},
        {"name": "pressure", "stored": ["rest[1]"]},
        {"name": "stress", "rank": 2, "stored": ["s"], "layout": "t y x c c n"},
        {"name": "viscosity", "constant": True, "stored": ["nu"]},
        {"name": "force", "rank": 1, "constant": True, "stored": ["fx", "fy"], "layout": "n x y"},
    ],
    "time": {"stored": "t"},
    "coordinates": {"x": {"stored": "x"}, "y": {"lower": 0.0, "upper": 10.0}},
    "boundaries": {"x": ["periodic", "periodic"], "y": ["wall", "open"]},
    "scalars": {"Re": "Re", "Ma": "Ma", "g": "@gravity"},
    "mask": {"stored": "distance", "solid": "negative", "layout": "n x y"},
}


def recipe(**changes) -> Recipe:
    return make(Recipe, TABLES | changes, "vortex.toml")


def arrays() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    distance = np.ones((N, X, Y), "f4")
    distance[0, 1, 2], distance[1, 2, 3:] = -1, -0.5
    return {
        "flow": random.normal(size=(N, T, X, Y, 2)).astype("f4"),
        "rest": random.normal(size=(N, T, X, Y, 3)).astype(">f4"),
        "s": random.normal(size=(T, Y, X, 2, 2, N)).astype("f4"),
        "nu": random.normal(size=(X, Y)).astype("f4"),
        "fx": random.normal(size=(N, X, Y)).astype("f2"),
        "fy": random.integers(-5, 5, size=(N, X, Y)).astype("i4"),
        "t": np.array([[0, 1, 2, 4], [0, 2, 3, 5.0]]),
        "x": np.array([0.5, 1.5, 3.5]),
        "Re": np.array([10.0, 20.0]),
        "Ma": np.array(0.25),
        "distance": distance,
    }


def write_hdf5(path: Path, values: dict[str, np.ndarray]) -> Path:
    with h5py.File(path, "w") as file:
        for name, data in values.items():
            file[name] = data
        file.attrs["gravity"] = -9.81
    return path


def write_npz(path: Path, values: dict[str, np.ndarray]) -> Path:
    np.savez_compressed(path, **values)
    return path


def write_zarr(path: Path, values: dict[str, np.ndarray]) -> Path:
    zipped, version = path.suffix == ".zip", 2 if path.stem.startswith("old") else 3
    store = ZipStore(path, mode="w") if zipped else path
    group = zarr.create_group(store, attributes={"gravity": -9.81}, zarr_format=version)
    for name, data in values.items():
        group.create_array(name, data=data)
    if zipped:
        store.close()
        return path
    return path / ("zarr.json" if version == 3 else ".zgroup")


WRITERS = {"a.h5": write_hdf5, "a.npz": write_npz} | dict.fromkeys(
    ("a.zarr", "a.zarr.zip", "old.zarr", "old.zarr.zip"), write_zarr
)


def example(folder: Path) -> tuple[Path, Recipe]:
    """A file and its recipe, for the contract that all sources keep."""
    return write_hdf5(folder / "vortex.h5", arrays()), recipe()


def fitting(name: str) -> Recipe:
    """The recipe for a kind of file: npz has no attributes."""
    return recipe(scalars={"Re": "Re", "Ma": "Ma"}) if name.endswith("npz") else recipe()


@pytest.mark.parametrize("name", ["a.h5", "a.npz", "a.zarr.zip", "old.zarr.zip"])
def test_a_file_is_known_by_its_content_and_not_by_its_name(tmp_path, name):
    path = WRITERS[name](tmp_path / name, arrays())
    disguised = path.rename(tmp_path / ("flow.h5" if name.endswith(("npz", "zip")) else "flow.npz"))
    with find("arrays").open_file(disguised, fitting(name)) as file:
        assert (file.frames(1, 0, T)[:, 2] == arrays()["rest"][1, ..., 1]).all()


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_what_was_written(tmp_path, name):
    values = arrays()
    path = WRITERS[name](tmp_path / name, values)
    with find("arrays").open_file(path, fitting(name)) as file:
        assert file.schema.channels == (
            *("velocity_x", "velocity_y", "pressure"),
            *("stress_xx", "stress_xy", "stress_yx", "stress_yy"),
        )
        for row in range(N):
            frames = file.frames(row, 1, T)
            assert (frames[:, :2] == values["flow"][row, 1:].transpose(0, 3, 1, 2)).all()
            assert (frames[:, 2] == values["rest"][row, 1:, ..., 1]).all()
            for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
                assert (frames[:, 3 + 2 * i + j] == values["s"][1:, :, :, i, j, row].transpose(0, 2, 1)).all()
            assert (file.static(row) == [values["nu"], values["fx"][row], values["fy"][row]]).all()
            assert file.rows[row].time == tuple(values["t"][row])
            solid = (file.boundary(row) & Cell.OBSTACLE) > 0
            assert (solid == (values["distance"][row] < 0)).all()
        assert file.rows[1].scalars["Re"] == 20
        assert file.rows[1].scalars["Ma"] == 0.25
        assert file.rows[1].scalars.get("g") == (None if name.endswith("npz") else -9.81)
        assert file.schema.grid.coordinates == ((0.5, 1.5, 3.5), (1, 3, 5, 7, 9))
        assert file.schema.boundaries == ((Boundary.PERIODIC,) * 2, (Boundary.WALL, Boundary.OPEN))


LAYOUTS = {
    "paged": {"fs_strategy": "page", "fs_page_size": 4096},
    "paged and tracked": {
        "fs_strategy": "page",
        "fs_page_size": 4096,
        "fs_persist": True,
        "libver": "latest",
    },
    "without free space": {"fs_strategy": "none"},
    "user block": {"userblock_size": 512},
    "user block before pages": {"userblock_size": 4096, "fs_strategy": "page", "fs_page_size": 4096},
}


@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)
def test_how_a_file_is_laid_out_changes_no_bit(tmp_path, read_all, options):
    plain = write_hdf5(tmp_path / "plain.h5", arrays())
    with h5py.File(tmp_path / "other.h5", "w", **options) as file:
        for name, data in arrays().items():
            chunked = {"chunks": (1,) * data.ndim, "compression": "gzip"} if name in ("flow", "Re") else {}
            file.create_dataset(name, data=data, **chunked)
        file.attrs["gravity"] = -9.81
    block = options.get("userblock_size", 0)
    with (tmp_path / "other.h5").open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(block)[:block])
    for found, expected in zip(
        read_all(tmp_path / "other.h5", recipe()), read_all(plain, recipe()), strict=True
    ):
        assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("options", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("chunks", [None, (1, 4, 4)])
def test_a_dataset_that_was_not_written_is_refused_however_its_file_is_laid_out(tmp_path, options, chunks):
    with h5py.File(tmp_path / "a.h5", "w", **options) as file:
        file.create_dataset("u", (2, 4, 4), "f8", chunks=chunks)
        file["v"] = np.ones((2, 4, 4))
    with open_arrays(tmp_path / "a.h5") as found:
        with pytest.raises(SourceError, match=" were written, the rest"):
            found.array("u")
        assert whole(found.array("v")).sum() == 32


@pytest.mark.parametrize("name", WRITERS)
def test_frames_may_be_asked_for_in_any_order(tmp_path, name):
    path = WRITERS[name](tmp_path / name, arrays())
    with find("arrays").open_file(path, fitting(name)) as file:
        whole = [file.frames(row, 0, T) for row in range(N)]
        for row, start, stop in ((1, 3, 4), (0, 2, 4), (1, 0, 2), (0, 0, 1), (0, 1, 3), (1, 2, 2)):
            assert (file.frames(row, start, stop) == whole[row][start:stop]).all()


def test_trajectories_may_be_groups(tmp_path):
    values = arrays()
    with h5py.File(tmp_path / "groups.h5", "w") as file:
        for row, length in ((0, T), (1, T - 1)):
            file[f"run_{row}/data"] = values["flow"][row, :length]
            file[f"run_{row}/grid/t"] = values["t"][row, :length]
            file[f"run_{row}/grid/x"] = values["x"]
            file[f"run_{row}/Re"] = values["Re"][row]
    grouped = recipe(
        fields=[{"name": "u", "stored": ["*/data[0]"]}],
        layout="t x y c",
        time={"stored": "*/grid/t"},
        coordinates={"x": {"stored": "*/grid/x"}, "y": {"lower": 0, "upper": 1}},
        scalars={"Re": "*/Re"},
        mask=None,
    )
    with find("arrays").open_file(tmp_path / "groups.h5", grouped) as file:
        assert [row.time for row in file.rows] == [(0, 1, 2, 4), (0, 2, 3)]
        assert [row.scalars["Re"] for row in file.rows] == [10, 20]
        assert (file.frames(1, 0, 3)[:, 0] == values["flow"][1, :3, ..., 0]).all()


def test_a_file_may_be_one_trajectory(tmp_path, read_all):
    values = {"u": np.arange(T * X * Y, dtype="f4").reshape(T, Y, X)}
    single = recipe(
        fields=[{"name": "u"}], layout="t y x", time={"stop": 2}, scalars={}, mask=None,
        coordinates={axis: {"lower": 0, "upper": 1} for axis in "xy"},
    )  # fmt: skip
    (frames,) = read_all(write_hdf5(tmp_path / "one.h5", values), single)
    assert (frames[:, 0] == values["u"].transpose(0, 2, 1)).all()


def test_what_netcdf_marks_as_missing_is_not_a_number(tmp_path, read_all):
    path = write_hdf5(tmp_path / "missing.h5", arrays())
    with h5py.File(path, "r+") as file:
        file["flow"][1, 2, 0, 0, 1] = 1e20
        file["flow"].attrs["_FillValue"] = np.float32(1e20)
    assert np.argwhere(np.isnan(read_all(path, recipe())[1])).tolist() == [[2, 1, 0, 0]]


@pytest.mark.parametrize(
    ("name", "value", "expected"), [("scale_factor", 0.5, 0.5), ("add_offset", 3.0, 4.0)]
)
def test_packed_numbers_become_values(tmp_path, read_all, name, value, expected):
    path = write_hdf5(tmp_path / "packed.h5", {**arrays(), "flow": np.ones_like(arrays()["flow"])})
    with h5py.File(path, "r+") as file:
        file["flow"].attrs[name] = value
    assert (read_all(path, recipe())[0][:, :2] == expected).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layout": ""}, "states no layout"),
        ({"layout": "n t x y"}, "the 4 axes 'n t x y'"),
        ({"layout": "n t y x c"}, "as the other arrays"),
        ({"time": None}, "the times of the frames are not stated"),
        ({"time": {"stored": "x"}}, "expected one time per frame, 4"),
        ({"coordinates": {"x": {"stored": "x"}}}, "the positions of the 5 cells of y are not stated"),
        (
            {"coordinates": {"x": {"stored": "t"}, "y": {"lower": 0, "upper": 1}}},
            "expected 3 cell centres of x",
        ),
        ({"boundaries": {"x": ["wall", "wall"]}}, "no boundary is stated for y"),
        ({"boundaries": {}}, "no boundary is stated for x and y"),
        ({"scalars": {"Re": "x"}}, "3 values; expected one, or one for each of 2"),
        ({"scalars": {"Re": "@Re"}}, "no attribute Re"),
        ({"scalars": {"Re": "none@Re"}}, "no dataset or group none; found"),
        ({"scalars": {"Re": "none"}}, "no dataset or group none"),
        ({"fields": [{"name": "u", "stored": ["flow"]}]}, "holds 2 components; field u of rank 0 has 1"),
        ({"fields": [{"name": "u", "stored": ["flow[2]"]}]}, "no channel 2"),
        ({"fields": [{"name": "u", "stored": ["*/flow"]}]}, "no array */flow; found"),
        (
            {
                "fields": [
                    {"name": "u", "stored": ["flow[0]"]},
                    {"name": "v", "stored": ["fx"], "layout": "t x y"},
                ]
            },
            "arrays differ in their frames",
        ),
        (
            {"mask": {"stored": "distance", "solid": "zero", "layout": "n x y"}},
            "or remove [mask] if there is no body and no land",
        ),
        (
            {"mask": {"stored": "distance", "solid": "nonzero", "layout": "n x y"}},
            "all of the cells are nonzero",
        ),
        ({"mask": {"stored": "distance", "solid": "negative"}}, "shape (2, 3, 5); expected the 2 axes"),
    ],
)
def test_a_description_that_does_not_fit_is_told(tmp_path, change, words):
    path = write_hdf5(tmp_path / "a.h5", arrays())
    with (
        pytest.raises(OSError, match=r"a\.h5") as caught,
        find("arrays").open_file(path, recipe(**change)) as file,
    ):
        file.boundary(0)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_arrays_must_agree_in_their_number_of_trajectories(tmp_path, refusal):
    values = arrays()
    values["fx"] = values["fx"][:1]
    assert "differ in their number of trajectories" in refusal(
        write_hdf5(tmp_path / "a.h5", values), recipe()
    )


def test_the_folder_may_tell_the_split():
    assert find("arrays").split(Path("data/valid/a.h5")) == "valid"
    assert find("arrays").split(Path("data/a.h5")) is None


@pytest.mark.parametrize("place", ["filters", "compressors"])
def test_an_array_encoded_by_pickle_is_never_opened(tmp_path, refusal, place):
    path = tmp_path / "a.zarr.zip"
    store = ZipStore(path, mode="w")
    group = zarr.create_group(store, zarr_format=2)
    group.create_array("u", data=np.ones((N, T, X, Y), "f4"), **{place: [Pickle()]})
    store.close()
    plain = recipe(fields=[{"name": "u"}], layout="n t x y", mask=None)
    assert "pickle" in refusal(path, plain)


# Files that other people laid out
# -------------------------------------------------------------------------------------

SAMPLES = {
    "pdebench/ns_sim_2d-1.h5": (
        {
            "axes": ["x", "y"],
            "layout": "n t x y c",
            "fields": [
                {"name": "velocity", "rank": 1},
                {"name": "tracer", "stored": ["particles"]},
                {"name": "force", "rank": 1, "constant": True, "layout": "n x y c"},
            ],
            "time": {"stored": "t"},
        },
        lambda raw, row: np.concatenate([raw["velocity"][row], raw["particles"][row]], axis=-1).transpose(
            0, 3, 1, 2
        ),
    ),
    "pdebench/2D_diff-react_NA_NA.h5": (
        {
            "axes": ["x", "y"],
            "layout": "t y x c",
            "fields": [
                {"name": "activator", "stored": ["*/data[0]"]},
                {"name": "inhibitor", "stored": ["*/data[1]"]},
            ],
            "time": {"stored": "*/grid/t"},
        },
        lambda raw, row: raw[f"{row:04d}/data"][()].transpose(0, 3, 2, 1),
    ),
    "pdebench/1D_diff-sorp_NA_NA.h5": (
        {
            "axes": ["x"],
            "layout": "t x c",
            "fields": [{"name": "concentration", "stored": ["*/data"]}],
            "time": {"stored": "*/grid/t"},
        },
        lambda raw, row: raw[f"{row:04d}/data"][()].transpose(0, 2, 1),
    ),
    "pdearena/Maxwell3D_train_61749_2.h5": (
        {
            "axes": ["x", "y", "z"],
            "layout": "n t x y z c",
            "fields": [
                {"name": "d", "rank": 1, "stored": ["train/d_field"]},
                {"name": "h", "rank": 1, "stored": ["train/h_field"]},
            ],
            "time": {"step": 1.0},
        },
        lambda raw, row: np.concatenate([raw["train/d_field"][row], raw["train/h_field"][row]], -1).transpose(
            0, 4, 1, 2, 3
        ),
    ),
    "flowbench/flow_past_object_X.npz": (
        {
            "axes": ["x", "y"],
            "layout": "n t c x y",
            "fields": [
                {"name": "velocity", "rank": 1, "stored": ["data[0]", "data[1]"]},
                {"name": "pressure", "stored": ["data[2]"]},
            ],
            "time": {"step": 0.05},
        },
        lambda raw, row: raw["data"][row],
    ),
}


@pytest.mark.skipif(not MORE.exists(), reason="the larger sample set is not next to the repository")
@pytest.mark.parametrize("name", SAMPLES)
def test_files_that_we_did_not_lay_out_need_a_recipe_and_no_code(name, read_all):
    tables, expected = SAMPLES[name]
    axes = tables["axes"]
    common = {
        "name": "own",
        "source": "arrays",
        "title": "a file of another's",
        "coordinates": {axis: {"lower": 0, "upper": 1} for axis in axes},
        "boundaries": {axis: ["periodic", "periodic"] for axis in axes},
    }
    read = read_all(MORE / name, make(Recipe, common | tables, "own.toml"))
    with np.load(MORE / name) if name.endswith("npz") else h5py.File(MORE / name, locking=False) as raw:
        assert read
        for row, frames in enumerate(read):
            np.testing.assert_array_equal(frames, expected(raw, row))


def test_a_recipe_may_ask_for_single_precision(tmp_path, read_all):
    values = arrays()
    values["nu"] = values["nu"].astype("f8") * (1 + 1e-12)
    path = write_hdf5(tmp_path / "a.h5", values)
    assert read_all(path, recipe())[0].dtype == np.float64
    assert read_all(path, replace(recipe(), dtype="float32"))[0].dtype == np.float32


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(("count", "frames"), [(0, T), (N, 0), (N, 1)])
def test_short_and_empty_files_say_how_many_frames_they_hold(tmp_path, name, count, frames):
    values = arrays()
    for each in ("flow", "rest", "t"):
        values[each] = values[each][:count, :frames]
    values["s"] = values["s"][:frames, ..., :count]
    for each in ("fx", "fy", "distance", "Re"):
        values[each] = values[each][:count]
    path = WRITERS[name](tmp_path / name, values)
    with find("arrays").open_file(path, fitting(name)) as file:
        assert [len(row.time) for row in file.rows] == [frames] * count


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_of_any_kind_is_built_and_verified(tmp_path, name):
    values = arrays()
    WRITERS[name](tmp_path / name, values)
    plan = plan_build(fitting(name), tmp_path, "zarr", "lz4")
    dataset = Dataset(build(plan, tmp_path / "root", Resources(1)).folder)
    assert len(dataset.index.trajectories) == N
    assert list(source_faults(dataset, tmp_path)) == []
