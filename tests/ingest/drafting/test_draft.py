"""Drafts of recipes: what is guessed is right, what is not is left open, and the rest builds."""

import re
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.building.verify import source_faults
from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from shards.errors import SourceError
from shards.program.settings import make
from shards.read import Dataset

ROOT = Path(__file__).parents[3]
MORE = ROOT.parent / "shared" / "samples"
needs_more = pytest.mark.skipif(
    not MORE.exists(), reason="the larger sample set is not next to the repository"
)
N, T, X, Y, Z = 3, 4, 12, 10, 8


def write(path: Path, **arrays: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape).astype("f4")


def drafted(path: Path) -> Recipe:
    """The recipe as it is; a draft is always valid."""
    return make(Recipe, tomllib.loads(draft(path)), str(path))


def decided(text: str) -> Recipe:
    """Everything that is commented out taken as it stands."""
    opened = re.sub(r"^# (\[time\]|\w+ = .*)$", r"\1", text, flags=re.MULTILINE)
    return make(Recipe, tomllib.loads(opened), "decided.toml")


def proposed(text: str) -> str:
    """The layout that a draft proposes where nothing tells which axis is time."""
    (layout,) = re.findall(r'^# layout = "(.*)"', text, re.MULTILINE)
    return layout


def stored(recipe: Recipe) -> dict[str, tuple[int, bool, tuple[str, ...]]]:
    return {each.name: (each.rank, each.constant, each.stored_names) for each in recipe.fields}


def lists() -> dict[str, np.ndarray]:
    return {"x": np.arange(X) + 0.5, "y": np.arange(Y) * 2.0, "t": np.arange(T) * 0.25}


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((T, X, Y), "t x y"),
        ((T, Y, X), "t y x"),
        ((N, T, X, Y), "n t x y"),
        ((N, T, Y, X), "n t y x"),
        ((N, T, X, Y, 2), "n t x y c"),
        ((N, T, 2, X, Y), "n t c x y"),
        ((T, 2, Y, X), "t c y x"),
    ],
)
def test_lists_tell_the_axes(tmp_path, shape, layout):
    recipe = drafted(write(tmp_path / "a.h5", u=noise(*shape), **lists()))
    assert (recipe.axes, recipe.layout) == (("x", "y"), layout)
    assert recipe.time is not None
    assert recipe.time.stored == "t"
    assert {axis: rule.stored for axis, rule in recipe.coordinates.items()} == {"x": "x", "y": "y"}


def test_the_axes_of_the_earth_are_three(tmp_path):
    globe = {"lev": np.arange(6.0), "lat": np.arange(8.0), "lon": np.arange(12.0), "time": np.arange(5.0)}
    recipe = drafted(write(tmp_path / "a.nc", PRES=noise(5, 6, 8, 12), **globe))
    assert (recipe.axes, recipe.layout) == (("lev", "lat", "lon"), "t lev lat lon")


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((20, 32, 32), "t x y"),
        ((N, 20, 32, 24), "n t x y"),
        ((N, 20, 16, 16, 16), "n t x y z"),
        ((20, 16, 16, 16), "t x y z"),
        ((N, 20, 16, 16, 16, 3), "n t x y z c"),
        ((N, 20, 4, 32, 32), "n t c x y"),
        ((20, 32, 64, 3), "t x y c"),
        ((6, 3, 9, 16, 24), "n c t x y"),
    ],
)
def test_without_lists_the_layout_is_proposed_and_nothing_builds(tmp_path, shape, layout):
    path = write(tmp_path / "a.h5", u=noise(*shape))
    assert proposed(draft(path)) == layout
    recipe = drafted(path)
    assert (recipe.layout, recipe.time, recipe.coordinates, recipe.boundaries) == ("", None, {}, {})
    with pytest.raises(SourceError, match="states no layout"):
        plan_build(recipe, path, "zarr", "lz4")


def test_runs_behind_the_grid_are_not_taken_for_a_third_axis(tmp_path):
    # As the data of Fourier neural operators: [t, x, y, run], with a list of times and nothing else.
    text = draft(write(tmp_path / "a.h5", u=noise(T, X, X, 40), t=lists()["t"]))
    assert '# layout = "t y x n"  # 4 frames, y 12, x 12, 40 trajectories' in text
    assert drafted(tmp_path / "a.h5").layout == ""


def test_other_layouts_that_lengths_allow_are_listed_with_what_they_mean(tmp_path):
    batches = draft(write(tmp_path / "a.h5", u=noise(6, 3, 9, 16, 24)))
    assert '#   "n t x y z": 6 trajectories, 3 frames, x 9, y 16, z 24' in batches
    assert '#   "n t c x y": 6 trajectories, 3 frames, 9 channels, x 16, y 24' in batches
    assert "save a list of times t and of positions x, y" in batches
    last = draft(write(tmp_path / "b.h5", u=noise(12, 20, 12, 4), t=np.arange(12.0)))
    assert '#   "x y t n": x 12, y 20, 12 frames, 4 trajectories' in last
    assert "the lengths allow" not in draft(write(tmp_path / "c.h5", u=noise(9, 3, X, Y), **lists()))


def test_one_dimension_needs_a_list(tmp_path):
    alone, with_times = (
        write(tmp_path / "a.h5", u=noise(T, X)),
        write(tmp_path / "b.h5", u=noise(T, X), t=lists()["t"]),
    )
    with pytest.raises(SourceError, match="no array looks like a field over time and space"):
        draft(alone)
    assert drafted(with_times).layout == "t x"


def test_each_array_is_drafted_as_field_constant_vector_channels_parameter_or_rest(tmp_path):
    path = write(
        tmp_path / "a.h5",
        **lists(),
        vx=noise(N, T, X, Y), vy=noise(N, T, X, Y), rho=noise(N, T, X, Y), force=noise(N, X, Y, 2),
        nu=noise(X, Y), data=noise(N, T, X, Y, 2), stress=noise(N, T, X, Y, 2, 2), face=noise(N, T, X + 1, Y),
        Re=noise(N), g=np.float64(9.81), label=np.array(b"run"),
    )  # fmt: skip
    with h5py.File(path, "r+") as file:
        file.attrs["gamma"] = 1.4
    recipe = drafted(path)
    assert stored(recipe) == {
        "velocity": (1, False, ("vx", "vy")),
        "data_0": (0, False, ("data[0]",)),
        "data_1": (0, False, ("data[1]",)),
        "face": (0, False, ("face",)),
        "force": (1, True, ("force",)),
        "nu": (0, True, ("nu",)),
        "rho": (0, False, ("rho",)),
        "stress": (2, False, ("stress",)),
    }
    assert recipe.scalars == {"gamma": "@gamma", "Re": "Re", "g": "g"}
    layouts = {each.name: each.layout for each in recipe.fields if each.layout}
    assert layouts["force"] == "n x y c"
    assert layouts["nu"] == "x y"
    text = draft(path)
    assert "CHECK: one value more than cells along x: taken for values on the faces" in text
    assert "#   label: " in text


def test_groups_of_runs_become_trajectories(tmp_path):
    runs = {
        f"{run}/{name}": values
        for run in range(3)
        for name, values in {"u": noise(T, X, Y), **lists()}.items()
    }
    recipe = drafted(write(tmp_path / "a.h5", **runs))
    assert (recipe.layout, recipe.fields[0].stored) == ("t x y", ("*/u",))
    assert recipe.time is not None
    assert (recipe.time.stored, recipe.coordinates["x"].stored) == ("*/t", "*/x")


def test_a_time_too_many_is_left_out_only_where_times_are_even(tmp_path):
    even, uneven = np.arange(T + 1) * 0.5, np.arange(T + 1) ** 2.0
    known = {axis: lists()[axis] for axis in "xy"}
    rule = drafted(write(tmp_path / "a.h5", u=noise(T, X, Y), t=even, **known)).time
    assert rule is not None
    assert rule.times(T) == tuple(even[:T])
    assert drafted(write(tmp_path / "b.h5", u=noise(T, X, Y), t=uneven, **known)).time is None


def test_lists_that_are_no_grid_are_not_taken(tmp_path):
    spoiled = lists() | {"x": np.zeros(X), "t": np.array([0, np.nan, 1, 2.0])}
    recipe = drafted(write(tmp_path / "a.h5", u=noise(T, X, Y), **spoiled))
    assert recipe.time is None
    assert set(recipe.coordinates) == {"y"}


def test_a_list_a_trajectory_gives_the_ends_of_the_axis(tmp_path):
    rows = {name: np.tile(values, (N, 1)) for name, values in lists().items()}
    recipe = drafted(write(tmp_path / "a.h5", u=noise(N, T, X, Y), **rows))
    assert recipe.time is not None
    assert recipe.time.stored == "t"
    assert recipe.coordinates["x"].centres(X) == tuple(lists()["x"])


def test_a_mask_and_a_grid_of_angles_are_asked_about(tmp_path):
    path = write(
        tmp_path / "a.h5",
        u=noise(T, X, Y),
        solid=np.eye(X, Y, dtype="i1"),
        theta=np.arange(X),
        phi=np.arange(Y),
    )
    assert drafted(path).kind == "equiangular"
    assert re.search(
        r'# \[mask\]\n# stored = "solid"\n# solid = "nonzero"\n# layout = "theta phi"', draft(path)
    )


@pytest.mark.parametrize(
    ("file", "name"), [("Ma_0.7.h5", "Ma_0.7"), ("two words.hdf5", "two_words"), ("jet_012.h5", "jet")]
)
def test_the_dataset_is_named_after_the_file(tmp_path, file, name):
    assert drafted(write(tmp_path / file, u=noise(T, X, Y))).name == name


@pytest.mark.parametrize("name", ['a"b', "a\\b", "new\nline", "é", "*", "a[1]"])
def test_any_name_gives_valid_toml(tmp_path, name):
    assert drafted(write(tmp_path / f"odd {name}.h5", **{name: noise(T, X, Y)}, **lists())).layout == "t x y"


def test_arrays_that_cannot_be_read_are_named_where_nothing_else_is_a_field():
    path = ROOT / "tests/samples/damaged/zstd_compressed.hdf5"
    with pytest.raises(
        SourceError, match="4 of its arrays cannot be read, the first: Vx needs HDF5 filter 32015"
    ):
        draft(path)


def built(recipe: Recipe, path: Path, root: Path) -> Dataset:
    """Built and compared bit for bit."""
    dataset = Dataset(build(plan_build(recipe, path, "zarr", "lz4"), root, Resources(1)).folder)
    assert list(source_faults(dataset, path)) == []
    return dataset


def test_only_what_a_person_must_decide_stops_a_build(tmp_path):
    path = write(
        tmp_path / "a.h5", u=noise(N, T, X, Y), flow=noise(N, T, X, Y, 2), nu=noise(N, X, Y), **lists()
    )
    with pytest.raises(SourceError, match=r"no boundary is stated for x and y; add it to \[boundaries\]"):
        plan_build(drafted(path), path, "zarr", "lz4")
    dataset = built(decided(draft(path)), path, tmp_path / "root")
    assert len(dataset.index.trajectories) == N
    assert dataset.card.schema.channels == ("flow_x", "flow_y", "u")


@needs_more
@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("pdebench/ns_sim_2d-1.h5", ("particles", "velocity_x", "velocity_y")),
        ("pdebench/2D_diff-react_NA_NA.h5", ("data_0", "data_1")),
        ("pdebench/2D_rdb_NA_NA.h5", ("data",)),
        ("pdebench/1D_diff-sorp_NA_NA.h5", ("data",)),
        (
            "pdearena/Maxwell3D_train_61749_2.h5",
            tuple(f"{kind}_field_{axis}" for kind in "dh" for axis in "xyz"),
        ),
        ("pdegym/CE-RM.nc", tuple(f"solution_{number}" for number in range(4))),
        ("flowbench/flow_past_object_Y.npz", ("data_0", "data_1", "data_2")),
    ],
)
def test_files_that_we_did_not_lay_out_build_from_their_drafts(tmp_path, name, channels):
    dataset = built(decided(draft(MORE / name)), MORE / name, tmp_path)
    assert dataset.card.schema.channels == channels


@needs_more
def test_axes_in_another_order_are_seen():
    assert proposed(draft(MORE / "bubbleml/v2/Twall_90.hdf5")) == "t y x"


def test_a_recipe_is_drafted_once_and_never_overwritten(command, tmp_path):
    path, out = write(tmp_path / "a.h5", u=noise(T, X, Y), **lists()), tmp_path / "own.toml"
    result = command("inspect", path, "--recipe", out)
    assert result.exit_code == 0
    assert out.read_text() == draft(path)
    assert f"walrus-ingest build {out} --from {path} --to ROOT" in result.stdout
    out.write_text("mine")
    again = command("inspect", path, "--recipe", out)
    assert (again.exit_code, again.stdout) == (1, "")
    assert f"{out}: exists, and a recipe is never overwritten" in again.stderr
    assert out.read_text() == "mine"
    nowhere = command("inspect", path, "--recipe", tmp_path / "none" / "own.toml")
    assert nowhere.exit_code == 1
    assert "cannot be written" in nowhere.stderr


def test_the_three_commands_of_the_page_give_shards(command, tmp_path, monkeypatch):
    page = (ROOT / "docs" / "own-files.md").read_text(encoding="utf-8")
    blocks = dict(reversed(re.findall(r"```(\w+)\n(.*?)```", page, re.DOTALL)))
    monkeypatch.chdir(tmp_path)
    exec(blocks["python"], {})
    inspecting, editing, building, verifying = (line.split() for line in blocks["sh"].splitlines())
    assert command(*inspecting[1:]).exit_code == 0
    refused = command(*building[1:], "--workers", 1)
    assert refused.exit_code == 1
    (quoted,) = re.findall(r"ends with the error `(.*?)`", page)
    assert quoted in refused.stderr
    recipe = Path(editing[1])
    for line in blocks["toml"].splitlines():
        key = line.split(" = ")[0]
        recipe.write_text(re.sub(rf"^# {key} = .*$", line, recipe.read_text(), flags=re.MULTILINE))
    assert command(*building[1:], "--workers", 1).exit_code == 0
    dataset = Dataset(Path("data/channel"))
    assert dataset.card.schema.channels == ("velocity_x", "velocity_y", "dye")
    assert dataset.card.schema.static_channels == ("depth",)
    assert command(*verifying[1:]).exit_code == 0


def test_whether_values_meet_at_the_ends_of_an_axis_is_told(tmp_path):
    t, x, y = np.meshgrid(np.arange(T) * 0.1, np.arange(X), np.arange(Y), indexing="ij")
    wave = np.sin(2 * np.pi * (x / X - t)) + 0.2 * y
    text = draft(write(tmp_path / "a.h5", u=wave, **lists()))
    (along,) = re.findall(r'^# x = \["periodic", "periodic"\]  # (.*)$', text, re.MULTILINE)
    (across,) = re.findall(r'^# y = \["wall", "wall"\]  # (.*)$', text, re.MULTILINE)
    assert along.startswith("perhaps periodic")
    assert (
        across
        == f"probably not periodic: between the two ends values change {Y - 1} times as much as next to them"
    )
    flat = draft(write(tmp_path / "b.h5", u=np.ones((T, X, Y)), **lists()))
    assert '# x = ["periodic", "periodic"]\n' in flat


def slow_wave(*shape: int) -> np.ndarray:
    """A wave that linear extrapolation predicts well: per frame it turns by 0.02."""
    t, x, y = np.meshgrid(*map(np.arange, shape), indexing="ij")
    return np.sin(2 * np.pi * x / X - 0.02 * t) * (1 + y)


def test_frames_that_hardly_differ_are_offered_a_stride(tmp_path):
    wave = slow_wave(64, X, Y)
    error = np.sqrt(
        np.square(wave[33] - wave[32]).mean() / np.square(wave[33] - 2 * wave[32] + wave[31]).mean()
    )
    text = draft(write(tmp_path / "slow.h5", u=wave, x=np.arange(X), y=np.arange(Y), time=np.arange(64.0)))
    assert f"predicts the next frame {error:.0f} times better\n" in text
    assert "# stride = 8\n" in text
    assert decided(re.sub("# (x|y) = ", r"\1 = ", text)).stride == 8
    fast = write(
        tmp_path / "fast.h5", u=noise(64, X, Y), x=np.arange(X), y=np.arange(Y), time=np.arange(64.0)
    )
    assert "stride" not in draft(fast)


def test_states_in_files_and_groups_are_offered_a_stride_too(tmp_path):
    (tmp_path / "states").mkdir()
    wave = slow_wave(32, X, Y)
    with h5py.File(tmp_path / "groups.h5", "w") as groups:
        for number, frame in enumerate(wave):
            groups[f"step_{number}/u"] = frame
            groups[f"step_{number}"].attrs["time"] = 0.5 * number
            with h5py.File(write(tmp_path / "states" / f"out_{number:03d}.h5", u=frame), "r+") as state:
                state.attrs["time"] = 0.5 * number
    for path in (tmp_path / "states", tmp_path / "groups.h5"):
        assert "# stride = 4\n" in draft(path)


def test_what_is_taken_is_told_by_its_numbers(tmp_path):
    text = draft(
        write(tmp_path / "a.h5", u=noise(N, T, X, Y).astype("f8"), Re=np.array([10.0, 20, 40]), **lists())
    )
    assert 'stored = "t"  # 4 frames, 0 to 0.75\n' in text
    assert 'x = { stored = "x" }  # 12 cells, 0.5 to 11.5\n' in text
    assert 'Re = "Re"  # 10 to 40\n' in text
    assert 'add the line dtype = "float32"' in text


def test_a_vector_in_one_array_states_the_axes_of_its_components(tmp_path):
    text = draft(write(tmp_path / "run.h5", velocity=noise(T, X, Y, Z, 3), t=np.arange(T) * 0.5))
    assert (
        'name = "velocity"  # CHECK: 3 components taken for a vector along x, y, z, in this order\n' in text
    )
