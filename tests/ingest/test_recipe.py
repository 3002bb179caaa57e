"""Recipes: the catalogue is whole, and a recipe that contradicts itself is refused in words."""

import tomllib
from pathlib import Path

import pytest

from ingest.recipe import Correction, Recipe, RecipeField, SplitRule, catalogue, find_recipe
from ingest.source import sources
from shards.errors import SettingsError
from shards.settings import make
from shards.spec import Boundary, FieldSpec

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
    with pytest.raises(SettingsError, match=r"no recipe named .*shear_flow.*or name a file .toml"):
        find_recipe(name)


def test_an_absent_file_is_told():
    with pytest.raises(SettingsError, match=r"absent\.toml: cannot be read"):
        find_recipe(str(Path("absent.toml")))


def test_fields_are_split_in_variable_and_constant():
    found = find_recipe("acoustic_scattering_discontinuous")
    assert [field.name for field in found.variable] == ["pressure", "velocity"]
    assert [field.name for field in found.constant] == ["density", "speed_of_sound"]
    assert found.constant[0].spec == FieldSpec("density", 0, True)


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
        ({"fields": [{"name": "v", "rank": 1, "stored": ["a", "b", "c"]}]}, "3 stored names; expected 1 or 2"),
        ({"fields": [{"name": "A", "stored": ["a", "b"]}]}, "2 stored names; expected 1"),
        ({"fields": [{"name": "A"}, {"name": "A", "constant": True}]}, "the same channel name: A"),
        ({"fields": [{"name": "v", "rank": 1}, {"name": "v_y"}]}, "the same channel name: v_y"),
        ({"fields": [{"name": "A", "rank": 3}]}, "rank"),
        ({"correction": {"reason": "", "boundaries": {"z": ["wall", "wall"]}}}, "correction of axis z"),
        ({"correction": {"reason": "", "boundaries": {"x": ["periodic", "wall"]}}}, "periodic on one side only"),
        ({"correction": {"reason": "", "boundaries": {"x": ["slip", "wall"]}}}, "wall"),
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


def test_shares_of_a_split_sum_to_one():
    assert SplitRule(0.5, 0.25, 0.25).train == 0.5
    with pytest.raises(ValueError, match="sum to 1"):
        SplitRule(0.5, 0.5, 0.5)
