"""One good file, and one thing wrong or odd in it at a time: what goes in, and what the user is told."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile

import h5py
import numpy as np
import pytest
import zarr

from shards.read import Dataset

N, T, X, Y = 3, 4, 5, 4
RECIPE = """
name = "own"
source = "arrays"
title = "Files of strangers"
axes = ["x", "y"]
layout = "n t x y"
scalars = { Re = "Re" }
[[fields]]
name = "u"
[[fields]]
name = "nu"
constant = true
[time]
stored = "t"
[coordinates]
x = { stored = "x" }
y = { stored = "y" }
[boundaries]
x = ["periodic", "periodic"]
y = ["wall", "open"]
"""
MASK = '[mask]\nstored = "sdf"\nsolid = "negative"\n'
Arrays = dict[str, np.ndarray]


def good() -> Arrays:
    random = np.random.default_rng(5)
    return {
        "u": random.normal(size=(N, T, X, Y)).astype("f4"),
        "nu": random.normal(size=(X, Y)).astype("f4"),
        "t": np.arange(T) * 0.5,
        "x": np.arange(X) * 1.0,
        "y": np.arange(Y) * 2.0,
        "Re": np.array([1.0, 2.0, 3.0]),
    }


def write(path: Path, values: Arrays) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in values.items():
            file[name] = array
    return path


def write_store(path: Path, values: Arrays) -> Path:
    group = zarr.create_group(path, attributes={"Re": 1.0})
    for name, array in values.items():
        group.create_array(
            name, data=array, chunks=(1, 1, *array.shape[2:]) if array.ndim == 4 else array.shape
        )
    return path


@pytest.fixture
def told(command, tmp_path) -> Callable[..., tuple[int, list[str]]]:
    """Exit code of a build, and what it said on stderr; nothing but whole datasets is left behind."""

    def call(path: Path, recipe: str = RECIPE) -> tuple[int, list[str]]:
        (tmp_path / "own.toml").write_text(recipe)
        result = command(
            "build", tmp_path / "own.toml", "--from", path, "--to", tmp_path / "root", "--workers", 1
        )
        folder = tmp_path / "root" / "own"
        assert folder.exists() == (result.exit_code != 1)
        if folder.exists():
            assert command("verify", folder, "--against-source", path).exit_code == 0
        return result.exit_code, result.stderr.splitlines()

    return call


def at(place: tuple[int, ...], value: float, array: np.ndarray) -> np.ndarray:
    changed = array.copy()
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("name", "change", "code", "words"),
    [
        ("t", lambda t: t[::-1], 1, "time does not increase: frame 0 is at 1.5, frame 1 at 1.0"),
        ("t", lambda t: at((2,), 0.5, t), 1, "time does not increase: frame 1 is at 0.5, frame 2 at 0.5"),
        ("t", lambda t: at((2,), np.nan, t), 1, "the time of frame 1 or 2 is not a finite number"),
        ("x", lambda x: at((2,), np.nan, x), 1, "the cell centres of x are not all finite numbers"),
        ("x", lambda x: at((2,), 0.5, x), 1, "the cell centres of x neither only increase nor only decrease"),
        ("x", lambda x: x * 0, 1, "the cell centres of x neither only increase nor only decrease"),
        ("nu", lambda nu: at((1, 1), np.nan, nu), 1, "nu is not finite in a constant field"),
        ("Re", lambda Re: at((1,), np.nan, Re), 3, "row 1: parameter Re is nan"),
        ("Re", lambda Re: at((0,), np.inf, Re), 3, "row 0: parameter Re is inf"),
        ("u", lambda u: at((1,), 7, u), 3, "row 1: u never changes"),
        ("u", lambda u: at((1, 2, 0, 0), np.inf, u), 3, "row 1: u is not finite in frame 2"),
        ("u", lambda u: at((0, 0, 0, 0), 1e300, u.astype("f8")), 3, "row 0: u in frame 0 is so large"),
        (
            "u",
            lambda u: (u * 0 + 2**25 + 1).astype("i8"),
            1,
            "are too large for float32; store the field as floating",
        ),
        ("u", lambda u: u.astype("c8"), 1, "/u: holds complex64; expected real numbers"),
        ("u", lambda u: u.astype("f16"), 1, "/u: holds float128; expected"),
        ("u", lambda u: u.astype("S4"), 1, "/u: holds |S4; expected"),
        ("u", lambda u: np.zeros(u.shape, [("a", "f4")]), 1, "/u: holds records of 'a'; expected"),
        ("u", lambda u: u[:, :, :0], 1, "x 0, y 4; expected at least one cell per axis"),
        ("u", lambda u: u[:, :0], 1, "has 0 frame, expected at least 2"),
        ("u", lambda u: u.swapaxes(2, 3), 1, "or layout for axes in another order"),
    ],
)
def test_what_is_wrong_with_an_array_is_told_in_one_line(told, tmp_path, name, change, code, words):
    values = good()
    if name == "u" and not words.startswith("row"):
        short = change(values["u"]).shape[1]
        values["t"] = values["t"][:short]
    found, lines = told(write(tmp_path / "a.h5", values | {name: change(values[name])}))
    assert found == code
    assert len(lines) == 1
    assert words in lines[0]
    assert "a.h5" in lines[0]


@pytest.mark.parametrize("dtype", [">f4", ">f8", "f2", "i2", "u1", ">i4", "i8", "u8"])
def test_numbers_of_any_type_that_floats_hold_are_kept_exactly(told, tmp_path, dtype):
    stored = (np.abs(good()["u"]) * 9).astype(dtype)
    assert told(write(tmp_path / "a.h5", good() | {"u": stored})) == (0, [])
    dataset = Dataset(tmp_path / "root" / "own")
    for entry in dataset.index.trajectories:
        document = dataset.document(entry)
        frames = np.empty((T, 1, X, Y), dataset.card.schema.dtype)
        dataset.read_frames(entry, range(T), frames)
        assert (frames[:, 0] * document.scale[0] == stored[document.trajectory.origin.row].astype("f8")).all()


def test_axes_may_run_downwards(told, tmp_path):
    assert told(write(tmp_path / "a.h5", good() | {"y": good()["y"][::-1]})) == (0, [])
    assert Dataset(tmp_path / "root" / "own").card.schema.grid.coordinates[1] == (6, 4, 2, 0)


@pytest.mark.parametrize(
    "marks",
    [
        {"_FillValue": -9999.0},
        {"missing_value": -9999.0},
        {"valid_min": -99.0},
        {"valid_range": [-99.0, 99.0]},
    ],
)
def test_what_netcdf_marks_as_no_value_never_becomes_one(told, tmp_path, marks):
    for kind in ("f4", "i4"):
        path = write(
            tmp_path / "a.h5", good() | {"u": at((1, 2, 0, 0), -9999, (good()["u"] * 9).astype(kind))}
        )
        with h5py.File(path, "r+") as file:
            for name, value in marks.items():
                file["u"].attrs[name] = np.asarray(value, kind)
        code, (line,) = told(path)
        assert code == 3
        assert "row 1: u is not finite in frame 2" in line
        (tmp_path / "root").rename(tmp_path / f"root-{kind}")


def test_a_mask_with_holes_is_no_mask(told, tmp_path):
    distance = np.where(good()["nu"] > 0, 1, -1.0)
    assert told(write(tmp_path / "a.h5", good() | {"sdf": distance}), RECIPE + MASK) == (0, [])
    (tmp_path / "root").rename(tmp_path / "first")
    code, (line,) = told(
        write(tmp_path / "a.h5", good() | {"sdf": at((1, 1), np.nan, distance)}), RECIPE + MASK
    )
    assert code == 1
    assert "/sdf: NaN in 1 cells; expected a mask" in line


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (h5py.ExternalLink("/etc/passwd", "/u"), "a.h5:u: an external link to /u in /etc/passwd"),
        (h5py.SoftLink("/nowhere"), "no dataset or group u; found"),
        (h5py.SoftLink("/u"), "too many links"),
        (h5py.SoftLink("/real"), None),
    ],
)
def test_links_are_followed_inside_the_file_only(told, tmp_path, link, words):
    values = good()
    values["real"] = values.pop("u")
    with h5py.File(write(tmp_path / "a.h5", values), "r+") as file:
        file["u"] = link
    code, lines = told(tmp_path / "a.h5")
    assert code == (0 if words is None else 1)
    assert words is None or words in lines[0]


def test_a_file_whose_writer_was_killed_is_told(told, tmp_path):
    """Its flags say that it is open for writing, as they do of one that is."""
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        for name, array in good().items():
            file[name] = array
        file.swmr_mode = True
        copyfile(tmp_path / "a.h5", tmp_path / "b.h5")
    code, (line,) = told(tmp_path / "b.h5")
    assert code == 1
    assert "b.h5: cannot be opened as HDF5: " in line
    assert "h5clear" in line


def test_a_block_before_the_signature_is_passed_over(told, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=512) as file:
        for name, array in good().items():
            file[name] = array
    assert told(tmp_path / "a.h5") == (0, [])


def test_a_chunk_that_fails_its_checksum_costs_its_own_trajectory(told, tmp_path):
    values = good()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("u", data=values.pop("u"), chunks=(1, 1, X, Y), fletcher32=True)
        for name, array in values.items():
            file[name] = array
        place = file["u"].id.get_chunk_info(T).byte_offset
    content = bytearray((tmp_path / "a.h5").read_bytes())
    content[place] ^= 1
    (tmp_path / "a.h5").write_bytes(content)
    code, (line,) = told(tmp_path / "a.h5")
    assert code == 3
    assert "left out: a.h5, row 1: /u: damaged" in line


def test_a_name_that_is_not_utf_8_is_told(told, tmp_path):
    with h5py.File(write(tmp_path / "a.h5", good()), "r+") as file:
        h5py.h5g.create(file.id, b"\xffname")
    code, (line,) = told(tmp_path / "a.h5")
    assert code == 1
    assert r"holds b'\xffname', a name that is not UTF-8" in line


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('name = "u"', 'name = ""', "field '': expected a name that can be printed"),
        ('name = "u"', 'name = "u\\nv"', "field 'u\\nv': expected a name that can be printed"),
        ('name = "u"', 'name = "nu"', "two fields give the same channel name: nu"),
        ('"x", "y"', '"time", "y"', "axes ['time', 'y']: expected 1 to 3, each once, and none of"),
        ('name = "u"', 'name = "time"\nstored = ["u"]', None),
        ('name = "u"', 'name = "two words"\nstored = ["u"]', None),
        ('name = "u"', 'name = "u"\nstored = ["/u"]', None),
        ('name = "u"', 'name = "u"\nstored = ["../u"]', "no dataset or group ../u"),
    ],
)
def test_odd_names_are_kept_or_refused_and_never_break_anything(told, tmp_path, before, after, words):
    code, lines = told(write(tmp_path / "a.h5", good()), RECIPE.replace(before, after, 1))
    assert code == (0 if words is None else 1)
    assert words is None or words in lines[0]


@pytest.mark.parametrize("kind", ["pipe", "device", "loop", "nowhere", "zip"])
def test_what_only_has_the_name_of_a_file_is_left_out(told, tmp_path, kind):
    source = tmp_path / "source"
    source.mkdir()
    write(source / "a.h5", good())
    odd = source / "b.h5"
    if kind == "pipe":
        os.mkfifo(odd)
    elif kind == "zip":
        np.savez(tmp_path / "b.npz", u=1)
        (tmp_path / "b.npz").rename(odd)
    else:
        odd.symlink_to({"device": "/dev/zero", "loop": odd, "nowhere": "none"}[kind])
    code, lines = told(source, RECIPE)
    if kind == "zip":
        # What a file is, its content tells and not its name.
        assert (code, len(lines)) == (3, 1)
        return
    found = "not a file; expected an HDF5 file; check the path"
    if kind == "nowhere":
        found = "there is no such file or folder; check the path"
    if kind == "loop":
        found = "cannot be read (Too many levels of symbolic links); make it readable, or remove it"
    assert (code, lines) == (3, [f"left out: b.h5: {found}"])


def test_a_shape_that_no_memory_holds_is_not_believed(told, tmp_path):
    big = write_store(tmp_path / "a.zarr", good() | {"Re": np.ones(N)}) / "u" / "zarr.json"
    document = json.loads(big.read_text())
    document["shape"] = [N, T, 10**9, 10**6]
    big.write_text(json.dumps(document))
    code, (line,) = told(tmp_path / "a.zarr")
    assert code == 1
    assert "x 1000000000, y 1000000; expected at most 4194304 cells per axis" in line


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_store_with_chunks_that_are_no_files_is_refused(told, tmp_path, kind):
    """A link to nowhere, as git-annex leaves it, would read as a chunk of zeros."""
    chunk = write_store(tmp_path / "a.zarr", good()) / "u/c/0/1/0/0"
    chunk.unlink()
    if kind == "pipe":
        os.mkfifo(chunk)
    else:
        chunk.symlink_to("none")
    code, (line,) = told(tmp_path / "a.zarr")
    assert code == 1
    assert "u/c/0/1/0/0: a broken link, or neither a file nor a folder" in line


@pytest.mark.parametrize("value", [10**400, "one", [1.0], float("nan")])
def test_an_attribute_that_is_no_number_is_told(told, tmp_path, value):
    group = write_store(tmp_path / "a.zarr", good()) / "zarr.json"
    document = json.loads(group.read_text())
    document["attributes"]["Re"] = value
    group.write_text(json.dumps(document))
    code, lines = told(tmp_path / "a.zarr", RECIPE.replace('"Re" }', '"@Re" }'))
    assert code == 1
    assert "expected one number" in lines[0] or "parameter Re is nan" in lines[0]
