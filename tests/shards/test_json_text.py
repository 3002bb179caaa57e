"""JSON that people read, and files that are there whole or not at all."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.card import Count
from shards.disk import write_atomically
from shards.errors import ShardError
from shards.json_text import dump, parse, to_text

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(JSON)
def test_the_text_is_the_json_of_the_value(value):
    assert json.loads(to_text(value)) == value


def test_lists_of_numbers_stay_on_one_line_and_keys_get_their_own():
    text = to_text({"time": [0.0, 0.5, 1.0], "files": [{"path": "a", "length": 3}], "none": {}})
    assert (
        text
        == '{\n "time": [0.0, 0.5, 1.0],\n "files": [\n  {"path": "a", "length": 3}\n ],\n "none": {}\n}\n'
    )


def test_a_dataclass_survives_its_text():
    assert parse(Count, dump(Count, Count(3, 24)), "here") == Count(3, 24)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "card.json: Invalid JSON"),
        (b"\xff\xfe", "card.json: Invalid JSON"),
        (b"[]", "card.json: "),
        (b'{"frames": "many"}', "card.json: frames: "),
        (b'{"frames": 3, "colour": 1}', "card.json: colour: "),
    ],
)
def test_a_text_that_is_no_document_is_told_by_file_and_place(text, words):
    with pytest.raises(ShardError) as caught:
        parse(Count, text, "card.json")
    assert str(caught.value).startswith(words)


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "card.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_leaves_no_trace(tmp_path):
    path = tmp_path / "card.json"
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        write_atomically(path, b"one")
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_to_a_full_disk_leaves_what_was_there(full_disk: Path):
    path = full_disk / "card.json"
    write_atomically(path, b"one")
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, bytes(2 * 2**20))
    assert [p.name for p in full_disk.iterdir()] == ["card.json"]
    assert path.read_bytes() == b"one"
