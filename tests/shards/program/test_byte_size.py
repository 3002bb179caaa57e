"""Sizes as people write them."""

import pytest

from shards.errors import SettingsError
from shards.program.byte_size import Size, byte_count, enough, size_in_words
from shards.program.settings import make
from shards.schema import checked


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("4GB", 4 * 10**9),
        ("500 MiB", 500 * 2**20),
        ("1.5gib", 3 * 2**29),
        ("7", 7),
        ("2kb", 2000),
        ("1TB", 10**12),
    ],
)
def test_sizes_are_read_as_people_write_them(text, count):
    assert byte_count(text) == count


@pytest.mark.parametrize("text", ["", "GB", "-4GB", "4 parsecs", "0x10", "9" * 5000, "4IB"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(SettingsError, match="is not a size; expected a number and a unit"):
        byte_count(text)


@checked
class Settings:
    room: Size


def test_a_setting_in_bytes_may_have_a_unit():
    assert (
        make(Settings, {"room": "1.5 GB"}, "here").room
        == make(Settings, {"room": 1_500_000_000}, "here").room
    )
    with pytest.raises(SettingsError, match="here: room"):
        make(Settings, {"room": -1}, "here")


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (3.3e12, "3.3 TB"),
        (5e20, "500 EB"),
    ],
)
def test_sizes_are_printed_to_three_digits(count, words):
    assert size_in_words(count) == words


def test_a_size_that_is_advised_is_enough():
    for count in (0, 1, 999_999, 1_000_001, 89_000_001):
        assert count <= byte_count(enough(count)) < count + 10**6
