"""Drafts of random files: whatever names and attributes they have, a draft is valid or refused in one
line.
"""

import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.drafting.draft import draft
from ingest.recipe import Recipe
from shards.errors import SourceError
from shards.program.settings import make

# Names that mean something to a draft, and any others.
WORDS = (
    "x",
    "y",
    "t",
    "time",
    "u",
    "v",
    "velx",
    "data",
    "mask",
    "E",
    "rho",
    "nu",
    "0",
    "10",
    "step_1",
    "run_2",
    "ω",
    "nghost",
    "d_m",
    "d_p",
    "size",
    "dt",
)
NAMES = st.one_of(
    st.sampled_from(WORDS),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="/\x00."), min_size=1, max_size=8),
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
SHAPES = st.lists(st.sampled_from((1, 2, 3, 4, 9, 20)), max_size=5).map(tuple)
VALUES = st.one_of(
    st.integers(-(2**31), 2**31),
    st.floats(),
    st.lists(st.integers(-9, 20), min_size=1, max_size=3),
    st.sampled_from(("2000-01-24_12:00:00", "2001-02-29", "0000-00-00")),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=9),
)


def write(
    path: Path, arrays: dict[str, tuple[int, ...]], attributes: dict[str, object], labels: list[str]
) -> None:
    with h5py.File(path, "w") as file:
        for name, shape in arrays.items():
            try:
                file[name] = np.arange(int(np.prod(shape)), dtype="f4").reshape(shape)
            except (ValueError, OSError, KeyError):
                # A name that is a group of another path already.
                continue
            for axis, label in zip(range(len(shape)), labels, strict=False):
                file[name].dims[axis].label = label
        for name, value in attributes.items():
            file.attrs[name] = value


@given(
    st.dictionaries(PATHS, SHAPES, min_size=1, max_size=8),
    st.dictionaries(NAMES, VALUES, max_size=5),
    st.one_of(st.just([]), st.lists(NAMES, min_size=5, max_size=5)),
)
@example(arrays={"t": (1, 3), "time": (3, 2), "x": (1, 2, 3, 2)}, attributes={}, labels=[])
@example(arrays={"x": (1, 2, 2, 2)}, attributes={}, labels=["nu", "nu", "x", "t", "x"])
@example(arrays={"x": (2, 2, 2, 9), "t": (2, 1)}, attributes={}, labels=[])
@example(arrays={"x": (2,), "u": (2, 2), "y": (2, 2, 2, 3)}, attributes={}, labels=[])
def test_a_draft_of_a_random_tree_is_valid_or_refused_in_one_line(arrays, attributes, labels):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file.h5"
        write(path, arrays, attributes, labels)
        fault = ""
        try:
            make(Recipe, tomllib.loads(draft(path)), str(path))
        except SourceError as error:
            fault = str(error)
        assert "make no valid recipe" not in fault
        assert "\n" not in fault
