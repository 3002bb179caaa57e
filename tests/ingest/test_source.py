"""The contract that every file of `ingest/sources` keeps, and finding a source by its name."""

import tomllib
from dataclasses import replace
from fnmatch import fnmatch
from importlib import util
from pathlib import Path

import h5py
import numpy as np
import pytest

from ingest.catalogue import find_recipe
from ingest.layout import MaskRule
from ingest.recipe import Correction, Recipe
from ingest.release import Exclusion
from ingest.source import Row, Source, find, require_frames, sources
from shards.errors import SettingsError, SourceError
from shards.program.settings import make
from shards.schema import SPLITS, Boundary, Cell

GUIDE = Path(__file__).parents[2] / "docs" / "adding-a-source.md"


def load(path: Path):
    spec = util.spec_from_file_location(path.stem, path)
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=sources())
def sample(request, tmp_path) -> tuple[Source, Path, Recipe]:
    """A source with the file and recipe that its own tests offer."""
    tests = Path(__file__).parent / "sources" / f"test_{request.param}.py"
    assert tests.exists(), f"source {request.param} has no {tests.name} with a function example(folder)"
    path, recipe = load(tests).example(tmp_path)
    assert recipe.source == request.param
    marks = find(request.param).MARKS
    assert marks or request.param == "arrays", f"source {request.param} has no MARKS to be known by"
    return find(request.param), path, recipe


def check_frames(opened, row: int) -> None:
    """Slabs equal the whole, in the schema's shape and type, and are the caller's to write to."""
    count = len(opened.rows[row].time)
    whole = opened.frames(row, 0, count)
    assert whole.shape == (count, *opened.schema.frame_shape)
    assert whole.dtype == opened.schema.dtype
    middle = count // 2
    for start, stop in ((0, middle), (middle, count), (0, 0), (count, count), (count - 1, count)):
        np.testing.assert_array_equal(opened.frames(row, start, stop), whole[start:stop])
    opened.frames(row, 0, count)[...] = -7
    np.testing.assert_array_equal(opened.frames(row, 0, count), whole)


def check_still_parts(opened, row: int) -> None:
    """The constant fields and the boundary bits, which carry the code of each side."""
    static, bits = opened.static(row), opened.boundary(row)
    assert static.shape == opened.schema.static_shape
    assert static.dtype == opened.schema.dtype
    assert bits.shape == opened.schema.grid.shape
    assert bits.dtype == np.uint8
    opened.boundary(row)[...] = 255
    np.testing.assert_array_equal(opened.boundary(row), bits)
    for axis, sides in enumerate(opened.schema.boundaries):
        for end, kind in zip((0, -1), sides, strict=True):
            assert (bits.take(end, axis) & Cell[Boundary(kind).name]).any()


def check_range(opened, row: int) -> None:
    count = len(opened.rows[row].time)
    for start, stop in ((-1, 1), (0, count + 1), (count, count - 1)):
        with pytest.raises(IndexError):
            opened.frames(row, start, stop)
    for absent in (-1, len(opened.rows)):
        for read in (lambda: opened.frames(absent, 0, 1), lambda: opened.static(absent)):  # noqa: B023
            with pytest.raises(IndexError):
                read()
        with pytest.raises(IndexError):
            opened.boundary(absent)


def check_contract(source: Source, path: Path, recipe: Recipe) -> None:
    assert any(fnmatch(path.name, pattern) for pattern in source.PATTERNS)
    assert source.split(path) in (*SPLITS, None)
    with source.open_file(path, recipe) as opened:
        assert opened.schema.grid.axes == recipe.axes
        assert opened.schema.fields == tuple(field.spec for field in recipe.fields)
        assert opened.rows
        for row, known in enumerate(opened.rows):
            assert (np.diff(known.time) > 0).all()
            assert all(type(value) is float for value in known.scalars.values())
            check_frames(opened, row)
            check_still_parts(opened, row)
        check_range(opened, len(opened.rows) - 1)


def test_a_source_keeps_the_contract(sample):
    check_contract(*sample)


@pytest.mark.parametrize("name", [name for name in sources() if name != "arrays"])
def test_a_source_refuses_a_description_that_it_would_not_heed(name, tmp_path):
    path, recipe = load(Path(__file__).parent / "sources" / f"test_{name}.py").example(tmp_path)
    described = replace(recipe, mask=MaskRule("mask", "nonzero"))
    words = f"source {name} does not use mask"
    with pytest.raises(SettingsError, match=words), find(name).open_file(path, described):
        pass


def test_a_source_says_in_one_line_what_is_wrong_with_a_file(sample, tmp_path):
    source, path, recipe = sample
    wrong = tmp_path / path.name.replace(path.stem, path.stem + "-wrong")
    wrong.write_bytes(b"<!DOCTYPE html>\n<html>404</html>\n")
    with pytest.raises(SourceError, match=r"wrong") as caught, source.open_file(wrong, recipe):
        pass
    assert "\n" not in str(caught.value)


def test_a_source_is_found_by_its_file_name():
    assert {"well", "pdebench", "pdearena", "pdegym", "bubbleml", "flowbench", "arrays"} <= set(sources())
    assert not [name for name in sources() if name.startswith("_")]
    assert find("well").PATTERNS == ("*.hdf5", "*.h5")


@pytest.mark.parametrize("name", ["wel", "_hdf5", "os", "", "..source"])
def test_an_unknown_source_is_told_with_those_there_are(name):
    with pytest.raises(
        SettingsError, match=r"no source named .*; expected one of .*pdearena, pdebench.*, well"
    ):
        find(name)


def test_frames_out_of_range_are_the_callers_bug():
    rows = (Row((0.0, 1.0, 2.0), {}), Row((), {}))
    require_frames(rows, 0, 0, 3)
    require_frames(rows, 1, 0, 0)
    for wrong in ((0, 0, 4), (0, -1, 2), (0, 2, 1), (1, 0, 1), (2, 0, 0), (-1, 0, 0)):
        with pytest.raises(IndexError):
            require_frames(rows, *wrong)


def block(kind: str) -> str:
    return GUIDE.read_text(encoding="utf-8").split(f"```{kind}\n")[1].split("```")[0]


@pytest.fixture
def heat(tmp_path) -> tuple[Source, Path, Recipe]:
    """The source and the recipe of the guide, with a file as the guide describes it."""
    (tmp_path / "heat.py").write_text(block("python"), encoding="utf-8")
    path = tmp_path / "heat_1.h5"
    with h5py.File(path, "w") as file:
        file["temperature"] = np.random.default_rng(1).normal(size=(2, 4, 3, 5)).astype("f4")
        file["alpha"] = [0.5, 0.25]
        file.attrs["dx"], file.attrs["dt"] = 2.0, 0.1
    return load(tmp_path / "heat.py"), path, make(Recipe, tomllib.loads(block("toml")), "heat.toml")


def test_the_worked_example_of_the_guide_keeps_the_contract(heat):
    check_contract(*heat)
    source, path, recipe = heat
    with source.open_file(path, recipe) as opened, h5py.File(path, locking=False) as raw:
        assert opened.rows[1].scalars == {"alpha": 0.25}
        assert opened.schema.grid.coordinates == ((1, 3, 5), (1, 3, 5, 7, 9))
        assert np.array_equal(opened.frames(1, 0, 4)[:, 0], raw["temperature"][1])


@pytest.mark.parametrize(("name", "words"), [("dt", "attribute dt is None"), ("alpha", "no dataset alpha")])
def test_the_worked_example_of_the_guide_refuses_what_it_says(heat, name, words):
    source, path, recipe = heat
    with h5py.File(path, "r+") as file:
        del (file.attrs if name == "dt" else file)[name]
    with pytest.raises(SourceError, match=words), source.open_file(path, recipe):
        pass


# What a recipe asks of every source alike
# -----------------------------------------------------------------------------


@pytest.fixture
def wave(waves) -> tuple[Path, Recipe]:
    return waves.write("train/one"), find_recipe(str(waves.recipe))


def test_skipped_frames_are_neither_counted_nor_read(wave):
    path, recipe = wave
    with (
        find("well").open_file(path, recipe) as whole,
        find("well").open_file(path, skipping(recipe, 2)) as rest,
    ):
        assert rest.rows[1].time == whole.rows[1].time[2:]
        assert (rest.frames(1, 0, 3) == whole.frames(1, 2, 5)).all()
        with pytest.raises(IndexError):
            rest.frames(1, 0, 4)
    with find("well").open_file(path, skipping(recipe, 9)) as nothing:
        assert nothing.rows[0].time == ()


def test_a_stride_takes_every_so_many_th_frame_and_says_so(wave):
    path, recipe = wave
    thinned = replace(recipe, skip_frames=1, stride=2)
    with (
        find("well").open_file(path, recipe) as whole,
        find("well").open_file(path, thinned) as rest,
    ):
        assert len(whole.rows[1].time) == 5
        assert rest.rows[1].time == whole.rows[1].time[1::2]
        np.testing.assert_array_equal(rest.frames(1, 0, 2), whole.frames(1, 1, 5)[::2])
        np.testing.assert_array_equal(rest.frames(1, 1, 2), whole.frames(1, 3, 4))
        assert rest.rows[1].notes == ("one of every 2 frames is taken, as the stride of the recipe says",)
        with pytest.raises(IndexError):
            rest.frames(1, 0, 3)


def skipping(recipe: Recipe, frames: int) -> Recipe:
    return replace(recipe, skip_frames=frames)


@pytest.mark.parametrize("pattern", ["one.hdf5", "*/one.hdf5", "train/*"])
def test_an_excluded_file_is_not_opened(wave, pattern):
    path, recipe = wave
    excluding = replace(
        recipe, exclude=(Exclusion("other.hdf5", "no"), Exclusion(pattern, "it is known to be bad"))
    )
    words = r"one\.hdf5: left out by recipe waves: it is known to be bad"
    with pytest.raises(SourceError, match=words), find("well").open_file(path, excluding):
        pass


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "spherical"}, "the grid is cartesian; recipe waves says spherical"),
        (
            {"boundaries": {"y": ("open", "open")}},
            "axis y is wall below and wall above; recipe waves says open below",
        ),
    ],
)
def test_a_file_that_contradicts_its_recipe_is_refused(wave, changes, words):
    path, recipe = wave
    with pytest.raises(SourceError, match=words), find("well").open_file(path, replace(recipe, **changes)):
        pass


def test_a_correction_overrules_the_file(wave):
    path, recipe = wave
    corrected = replace(
        recipe, correction=Correction("the lid is off", {"y": ("wall", "open")}, {"slope": "steepness"})
    )
    with find("well").open_file(path, corrected) as file:
        assert file.schema.boundaries[1] == (Boundary.WALL, Boundary.OPEN)
        assert file.rows[0].scalars == {"steepness": 0.25}
