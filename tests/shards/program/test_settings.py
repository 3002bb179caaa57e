"""TOML to frozen dataclasses and back, and what is said of a key that no one knows."""

import tomllib
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import model_validator

from shards.errors import SettingsError
from shards.program.settings import dump_toml, load, make, override, read_toml
from shards.schema import checked

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = st.one_of(TEXT, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=12,
)


@checked
class Speed:
    largest: float = 1.0
    warm_up: int = 10


@checked
class Layer:
    width: int
    speeds: tuple[Speed, ...] = ()


@checked
class Run:
    name: str
    layer: Layer
    note: str | None = None


@checked
class Box:
    width: int
    height: int

    @model_validator(mode="after")
    def _is_high(self):
        if self.height < self.width:
            raise ValueError(f"height {self.height}: expected at least width {self.width}")
        return self


TOML = """
name = "one"
[layer]
width = 3
[[layer.speeds]]
largest = 0.5
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(TOML)
    return path


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_tables_survive_their_toml(tables):
    assert tomllib.loads(dump_toml(tables)) == tables


def test_settings_survive_their_toml(path, tmp_path):
    run = load(Run, path)
    again = tmp_path / "again.toml"
    again.write_text(dump_toml(asdict(run)))
    assert load(Run, again) == run == Run("one", Layer(3, (Speed(0.5),)))
    assert "[[layer.speeds]]" in again.read_text()
    assert "note" not in again.read_text()


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("name=two", Run("two", Layer(3, (Speed(0.5),)))),
        ('name="a = b"', Run("a = b", Layer(3, (Speed(0.5),)))),
        ("layer.speeds.0.largest=2.5", Run("one", Layer(3, (Speed(2.5),)))),
        ("note=", Run("one", Layer(3, (Speed(0.5),)))),
        ("name=a=b", Run("a=b", Layer(3, (Speed(0.5),)))),
        ("layer.width=4", Run("one", Layer(4, (Speed(0.5),)))),
        ("layer.speeds=[{warm_up = 2}]", Run("one", Layer(3, (Speed(1.0, 2),)))),
    ],
)
def test_an_assignment_overrides_a_key_at_any_depth(path, assignment, expected):
    assert load(Run, path, [assignment]) == expected


def test_one_of_several_tables_is_chosen_by_its_name():
    tables = {"fields": [{"name": "A"}, {"name": "B", "power": 3}]}
    assert override(tables, ["fields.B.power=0"]) == {"fields": [{"name": "A"}, {"name": "B", "power": 0}]}
    assert override(tables, ["fields.B.power=", "fields.1.name=C"]) == {
        "fields": [{"name": "A"}, {"name": "C"}]
    }
    assert tables["fields"][1] == {"name": "B", "power": 3}
    with pytest.raises(SettingsError, match=r"--set fields\.C\.power=0: no table C; expected one of A, B"):
        override(tables, ["fields.C.power=0"])


def test_overriding_leaves_the_tables_as_they_were():
    tables = {"layer": {"width": 3}}
    assert override(tables, ["layer.width=4", "layer.depth=1"]) == {"layer": {"width": 4, "depth": 1}}
    assert tables == {"layer": {"width": 3}}


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("layer", "expected a.b=value"),
        ("=3", "expected a.b=value"),
        ("name.first=3", "name is a value, not a table"),
        ("nmae=3", "unknown key nmae; did you mean name"),
        ("layer.widht=3", "unknown key layer.widht; did you mean width"),
        ("layer.speeds.1.largest=2", "no table 1; expected one of 0"),
        ("layer.speeds.0=2", "0 is one of several tables; expected a key of it"),
        ("layer.width=", "layer.width is missing"),
        ("layer.speeds=[{warmup = 2}]", r"unknown key layer.speeds.0.warmup; did you mean warm_up"),
        ("layer.width=wide", r"layer.width: .*integer.* \(found 'wide'\)"),
        ("layer.width=2.5", "layer.width"),
        ("qqqq=1", "unknown key qqqq$"),
    ],
)
def test_a_wrong_assignment_is_told_with_what_was_meant(path, assignment, words):
    with pytest.raises(SettingsError, match=words):
        load(Run, path, [assignment])


def test_every_fault_is_told_in_one_line():
    with pytest.raises(SettingsError) as caught:
        make(Run, {"nome": 1, "layer": {}}, "run.toml")
    message = str(caught.value)
    assert message.startswith("run.toml: ")
    assert all(
        words in message for words in ("name is missing", "layer.width is missing", "unknown key nome")
    )
    assert "\n" not in message


def test_a_rule_between_keys_is_told_without_words_of_the_library():
    with pytest.raises(SettingsError) as caught:
        make(Box, {"width": 3, "height": 2}, "run.toml")
    assert str(caught.value) == "run.toml: height 2: expected at least width 3"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file; check its path"),
        (b"name = ", "not TOML"),
        (b"name = '\xff'", "cannot be read"),
    ],
)
def test_a_file_that_is_not_toml_is_named(tmp_path, content, words):
    path = tmp_path / "bad.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=rf"bad\.toml: {words}"):
        read_toml(path)
