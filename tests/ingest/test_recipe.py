"""Recipes: the catalogue is whole, and a recipe that contradicts itself is refused in words."""

import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest

from ingest.catalogue import catalogue, find_recipe
from ingest.recipe import Correction, Recipe, RecipeField
from ingest.source import sources
from ingest.split import SplitRule
from shards.errors import RenamedWarning, SettingsError
from shards.program.settings import dump_toml, make
from shards.schema import Boundary, FieldSpec

GRAY_SCOTT = {
    "name": "gray",
    "source": "well",
    "title": "Gray-Scott",
    "axes": ["x", "y"],
    "fields": [{"name": "A"}, {"name": "velocity", "rank": 1}],
}


def recipe(**changes) -> Recipe:
    return make(Recipe, GRAY_SCOTT | changes, "gray.toml")


@pytest.mark.parametrize("name", catalogue())
def test_a_recipe_of_the_catalogue_is_complete(name):
    found = find_recipe(name)
    assert found.name == name
    assert found.source in sources()
    assert found.title
    assert found.licence != "unknown"
    assert found.citation
    assert found.home.startswith("https://")
    assert len(found.expected.grid) == len(found.axes)
    assert found.expected.frames
    assert found.expected.trajectories


@pytest.mark.parametrize("name", catalogue())
def test_a_recipe_of_the_catalogue_says_nothing_twice(name):
    tables = tomllib.loads(catalogue()[name].read_text(encoding="utf-8"))
    assert set(tables) <= set(Recipe.__dataclass_fields__)
    for field in find_recipe(name).fields:
        assert field.stored != (field.name,)


def test_the_systems_have_their_published_shape():
    expected = {
        "shear_flow": ((256, 512), 200, 1120),
        "gray_scott_reaction_diffusion": ((128, 128), 1001, 1200),
        "acoustic_scattering_discontinuous": ((256, 256), 102, 2000),
        "MHD_64": ((64, 64, 64), 100, 100),
        "pdebench_cns3d_random": ((128, 128, 128), 21, 100),
        "pdearena_conditioned_ins": ((128, 128), 56, 6816),
    }
    for name, published in expected.items():
        found = find_recipe(name).expected
        assert (found.grid, found.frames, found.trajectories) == published


def test_a_recipe_is_found_by_name_or_by_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(catalogue()["MHD_64"].read_text(encoding="utf-8"), encoding="utf-8")
    assert find_recipe(str(path)) == find_recipe("MHD_64")
    assert find_recipe("MHD_64", ("dtype=float32",)).dtype == "float32"


@pytest.mark.parametrize("name", ["MHD", "", "../MHD_64"])
def test_an_unknown_name_is_told_with_the_catalogue(name):
    with pytest.raises(SettingsError, match=r"no recipe named .*shear_flow.*or name a .toml file"):
        find_recipe(name)


def test_an_absent_file_is_told_with_the_one_that_was_meant(tmp_path):
    with pytest.raises(SettingsError, match=r"absent\.toml: no such file; check its path$"):
        find_recipe(str(Path("absent.toml")))
    (tmp_path / "pond.toml").touch()
    with pytest.raises(
        SettingsError, match=r"pnod\.toml: no such file; check its path; did you mean pond\.toml\?"
    ):
        find_recipe(str(tmp_path / "pnod.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(
        SettingsError, match=r"folder\.toml: cannot be read \(is not a file\); name a TOML file"
    ):
        find_recipe(str(tmp_path / "folder.toml"))


def test_a_file_that_is_named_without_its_suffix_is_proposed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pond.toml").touch()
    with pytest.raises(SettingsError) as raised:
        find_recipe("pond")
    assert str(raised.value) == "no recipe named pond; did you mean the file pond.toml?"


def test_fields_are_split_in_variable_and_constant():
    found = find_recipe("acoustic_scattering_discontinuous")
    assert [field.name for field in found.variable] == ["pressure", "velocity"]
    assert [field.name for field in found.constant] == ["zeros_like_density", "speed_of_sound"]
    assert found.constant[0].spec == FieldSpec("zeros_like_density", 0, True)


def test_a_field_is_stored_under_its_own_name_unless_said_otherwise():
    assert RecipeField("A").stored_names == ("A",)
    assert find_recipe("pdebench_cns3d_random").fields[2].stored_names == ("Vx", "Vy", "Vz")


def test_a_correction_speaks_of_the_axes_it_names():
    corrected = recipe(correction={"reason": "poles", "boundaries": {"y": ["wall", "open"]}})
    assert corrected.corrected("y") == (Boundary.WALL, Boundary.OPEN)
    assert corrected.corrected("x") is None
    assert recipe().corrected("x") is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "../gray"}, "becomes a folder"),
        ({"name": ""}, "becomes a folder"),
        ({"axes": []}, "expected 1 to 3"),
        ({"axes": ["x", "x"]}, "expected 1 to 3, each once"),
        ({"axes": ["x", "y", "z", "w"]}, "expected 1 to 3"),
        ({"fields": []}, "no field changes in time"),
        ({"fields": [{"name": "A", "constant": True}]}, "no field changes in time"),
        (
            {"fields": [{"name": "v", "rank": 1, "stored": ["a", "b", "c"]}]},
            "3 stored names; expected 1 or 2",
        ),
        ({"fields": [{"name": "A", "stored": ["a", "b"]}]}, "2 stored names; expected 1"),
        ({"fields": [{"name": "A"}, {"name": "A", "constant": True}]}, "the same channel name: A"),
        ({"fields": [{"name": "v", "rank": 1}, {"name": "v_y"}]}, "the same channel name: v_y"),
        ({"fields": [{"name": "A", "rank": 3}]}, "rank"),
        ({"correction": {"reason": "poles", "boundaries": {"z": ["wall", "wall"]}}}, "correction of axis z"),
        (
            {"correction": {"reason": "poles", "boundaries": {"x": ["periodic", "wall"]}}},
            "periodic on one side only",
        ),
        ({"correction": {"reason": "poles", "boundaries": {"x": ["slip", "wall"]}}}, "wall"),
        (
            {"correction": {"reason": " ", "boundaries": {"x": ["wall", "wall"]}}},
            "a correction needs its reason",
        ),
        ({"correction": {"reason": "poles"}}, "it corrects nothing"),
        ({"boundaries": {"z": ["wall", "wall"]}}, "boundaries of axis z"),
        ({"boundaries": {"x": ["wall", "periodic"]}}, "axis x is periodic on one side only"),
        (
            {
                "boundaries": {"x": ["wall", "wall"]},
                "correction": {"reason": "poles", "boundaries": {"x": ["open", "open"]}},
            },
            "stated and corrected; state them once",
        ),
        ({"coordinates": {"z": {"lower": 0, "upper": 1}}}, "coordinates of axis z"),
        ({"coordinates": {"x": {"lower": 0}}}, "expected either stored, or lower and upper"),
        ({"coordinates": {"x": {"lower": 1, "upper": 1}}}, "expected more than lower"),
        ({"coordinates": {"x": {"stored": "x", "lower": 0, "upper": 1}}}, "expected either stored"),
        ({"time": {}}, "expected one of stored, step and stop"),
        ({"time": {"step": 1, "stop": 2}}, "expected one of stored, step and stop"),
        ({"time": {"step": 0}}, "expected more than 0"),
        ({"time": {"start": 2, "stop": 2}}, "expected more than start"),
        ({"kind": "polar"}, "kind"),
        ({"axes": ["x", "y z"]}, "axes"),
        ({"axes": ["x", "t"], "layout": "n t x"}, "one of the letters n, t, c"),
        ({"layout": "n t x"}, "expected each of the axes ['x', 'y'] once"),
        ({"layout": "n t x y w"}, "found w; expected n, t, c and the axes"),
        ({"layout": "n t t x y"}, "at most once"),
        ({"layout": "n x y c"}, "expected an axis t"),
        ({"mask": {"stored": "m", "solid": "nonzero", "layout": "t x"}}, "layout of mask"),
        ({"files": "{run}/out_{step}.h5"}, "takes no named parts"),
        ({"fields": [{"name": "A", "stored": ["{run}/A"]}]}, "expected no named part but {step}"),
        ({"crop": {"z": [1, 1]}}, "crop of axis z"),
        ({"at_rest": "drop"}, "at_rest"),
        ({"mask": {"stored": "m", "solid": "true"}}, "mask.solid"),
        ({"files": "/data/*.h5"}, "expected a pattern below the given folder"),
        ({"files": "../*.h5"}, "expected a pattern below the given folder"),
        ({"exclude": [{"files": "../*.h5", "reason": "bad"}]}, "expected a pattern below the given folder"),
        ({"skip_frames": -1}, "skip_frames"),
        ({"fields": [{"name": "A", "power": 1001}]}, "power"),
        ({"fields": [{"name": "A", "power": -1001}]}, "power"),
        (
            {"fields": [{"name": "A", "stored": ["B"], "transform": "log10"}]},
            "a name that begins with log10_",
        ),
        ({"fields": [{"name": "log10_A", "transform": "log10"}]}, "state the array of the file as `stored`"),
        ({"fields": [{"name": "log10_v", "stored": ["v"], "rank": 1, "transform": "log10"}]}, "has rank 1"),
        ({"fields": [{"name": "A", "transform": "sqrt"}]}, "transform"),
        (
            {"fields": [{"name": "zeros_like_A", "stored": ["A"], "transform": "zeros"}]},
            "zeros and not constant",
        ),
        ({"split": {"train": 0.9}}, "sum to 1"),
        ({"split": {"train": 1.5, "valid": -0.5, "test": 0}}, "must be >= 0"),
        ({"dtype": "float16"}, "dtype"),
        ({"licens": "MIT"}, "unknown key licens; did you mean licence?"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(changes, words):
    with pytest.raises(SettingsError) as caught:
        recipe(**changes)
    assert "gray.toml" in str(caught.value)
    assert words in str(caught.value)


def test_a_correction_in_code_is_held_to_the_same_rule():
    with pytest.raises(ValueError, match="periodic on one side only"):
        Correction("a mistake", {"x": ("open", "periodic")})


def test_a_recipe_states_what_the_dataset_has():
    stated = recipe(
        boundaries={"x": ["periodic", "periodic"]},
        correction={"reason": "poles", "boundaries": {"y": ["wall", "open"]}},
    )
    assert stated.sides("x") == (Boundary.PERIODIC, Boundary.PERIODIC)
    assert stated.corrected("x") is None
    assert stated.sides("y") == (Boundary.WALL, Boundary.OPEN)
    assert recipe().sides("x") is None


def test_rules_of_time_and_place_are_written_out():
    found = recipe(time={"start": 1, "stop": 2}, coordinates={"x": {"lower": -1, "upper": 1}})
    assert found.time.times(5) == (1, 1.25, 1.5, 1.75, 2)
    assert found.coordinates["x"].centres(4) == (-0.75, -0.25, 0.25, 0.75)
    assert recipe(time={"start": 392, "step": 0.5}).time.times(3) == (392, 392.5, 393)


@pytest.mark.parametrize("name", catalogue())
def test_a_recipe_survives_being_written_and_read(name):
    found = find_recipe(name)
    assert make(Recipe, tomllib.loads(dump_toml(asdict(found))), name) == found


def test_a_split_is_given_in_shares_or_in_rows():
    assert SplitRule(train=1030, valid=100, test=130) == SplitRule(1030 / 1260, 100 / 1260, 130 / 1260)
    assert recipe(split={"train": 1030, "valid": 100, "test": 130}).split.test == 130 / 1260
    assert recipe(split={"train": 1, "valid": 0, "test": 0}).split == SplitRule(1, 0, 0)


def test_shares_of_a_split_sum_to_one():
    assert SplitRule(0.5, 0.25, 0.25).train == 0.5
    with pytest.raises(ValueError, match="sum to 1"):
        SplitRule(0.5, 0.5, 0.5)


def test_a_source_by_its_old_name_is_read_with_a_note(tmp_path):
    path = tmp_path / "old.toml"
    path.write_text(dump_toml(GRAY_SCOTT | {"source": "hdf5"}))
    with pytest.warns(RenamedWarning, match='source = "hdf5" is now called "arrays"'):
        assert find_recipe(str(path)).source == "arrays"


@pytest.mark.parametrize("source", ["{}", "[]", "3", '["well"]'])
def test_a_source_that_is_no_text_is_one_line(tmp_path, source):
    path = tmp_path / "strange.toml"
    path.write_text(
        f'name = "a"\nsource = {source}\ntitle = "A"\naxes = ["x"]\nfields = [{{ name = "u" }}]\n'
    )
    with pytest.raises(SettingsError, match="source"):
        find_recipe(str(path))
