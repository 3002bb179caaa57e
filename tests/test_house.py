"""The measures of tests/house.py, held within bounds."""

from functools import cache

import pytest

from tests.house import PACKAGES, Text, boxes_of, homonyms, imports_of, positional_flags, sources_of, text_of

LONGEST_FILE = 350
LONGEST_FUNCTION = 70
NESTED_COMPREHENSIONS = 14
POSITIONAL_FLAGS = 6
HOMONYMS = 2
# When a job of SLURM ends is a time of day.
TIMES_OF_DAY = {"shards/program/checkup.py"}


@cache
def text() -> Text:
    return text_of(sources_of())


def test_boxes_and_floors_are_counted_by_hand_in_a_small_house():
    sources = {
        "shards/a.py": "",
        "shards/b.py": "import shards.a",
        "shards/room/c.py": "from shards import b\nimport shards.room.d",
        "shards/room/d.py": "import shards.a",
    }
    small = boxes_of("shards", imports_of(sources))
    assert (small.count, small.floors, small.arrows, small.up) == (3, 3, 3, 0)
    sources["shards/a.py"] = "import shards.room.c"
    circle = boxes_of("shards", imports_of(sources))
    assert (circle.arrows, circle.up) == (4, 1)


def test_lines_are_counted_by_hand_in_a_small_file():
    steps = "".join(f"    x{number} = {number}\n" for number in range(10))
    pairs = "    return [x for x in () for y in ()]\n"
    bare = f'"""A file.\n\nTwo lines."""\n\ndef bare():\n{steps}{pairs}'
    explained = f"# Why.\n\ndef explained():  # because\n{steps}    return {{1: x for x in ()}}\n"
    small = text_of({"shards/a.py": bare, "shards/b.py": explained})
    assert (small.files, small.lines, small.comments, small.docstrings) == (2, 27, 2, 3)
    assert (small.comprehensions, small.nested_comprehensions) == (2, ("shards/a.py:16",))
    assert [each.place for each in small.unexplained] == ["shards/a.py:5 bare"]


@pytest.mark.parametrize("package", PACKAGES)
def test_no_box_imports_a_box_that_stands_on_it(package):
    assert boxes_of(package, imports_of(sources_of())).up == 0


def test_no_file_and_no_function_is_too_long():
    assert text().longest_file <= LONGEST_FILE
    assert [each for each in text().functions if each.lines > LONGEST_FUNCTION] == []


def test_each_longer_function_is_explained():
    """By a docstring or a comment; an `__init__` by the docstring of its class."""
    assert [each.place for each in text().unexplained] == []


def test_few_comprehensions_have_two_loops():
    assert len(text().nested_comprehensions) <= NESTED_COMPREHENSIONS


def test_few_lines_are_over_110_columns():
    """Texts of generated pages alone."""
    assert text().over_110 <= 10


def test_no_duration_is_taken_from_a_clock_that_can_be_set_back():
    """`time.monotonic` and `time.perf_counter` only go forward."""
    assert {path for path, text in sources_of().items() if "time.time(" in text} == TIMES_OF_DAY


def test_few_flags_can_be_given_by_place():
    """A True among the values of a call says nothing. Left over are a setter and callbacks of typer."""
    assert len(positional_flags(sources_of())) <= POSITIONAL_FLAGS


def test_few_classes_share_a_name():
    assert len(homonyms(sources_of())) <= HOMONYMS


def test_positional_flags_and_homonyms_are_found_in_two_small_files():
    flags = "class A:\n    def f(self, deep: bool = False): ...\n\ndef g(*, deep: bool): ...\n"
    other = "class A: ...\n\nclass _B: ...\n\nclass C: ...\n"
    sources = {"shards/a.py": flags, "shards/b.py": other}
    assert positional_flags(sources) == ["shards/a.py:2 f"]
    assert homonyms(sources) == ["A"]
