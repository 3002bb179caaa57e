"""A build from a URL gives what a build from a copy gives, or one line that says why not."""

import re

import fsspec
import h5py
import netCDF4
import numpy as np
import pytest
import zarr

import ingest.remote.path
from ingest.building.build import build as build_dataset
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.recipe import Recipe
from ingest.remote.path import source_path
from shards.errors import MismatchError
from shards.program.settings import load
from tests.ingest.web_server import content

FETCH = "copy it with walrus-ingest fetch, or another program, and name the copy"
TABLE = """
name = "table"
source = "arrays"
title = "A table"
axes = ["x", "y"]
layout = "n t x y"
[time]
step = 0.5
[coordinates.x]
lower = 0.0
upper = 1.0
[coordinates.y]
lower = 0.0
upper = 2.0
[boundaries]
x = ["periodic", "periodic"]
y = ["periodic", "periodic"]
[[fields]]
name = "u"
"""


@pytest.fixture
def published(good, shelf):
    """The files of the waves, as the server gives them."""
    for path in good.source.rglob("*.hdf5"):
        shelf.files[f"waves/{path.relative_to(good.source).as_posix()}"] = path.read_bytes()
    return f"{shelf.url}/waves"


@pytest.fixture
def copied(build, tree, tmp_path):
    """The dataset that is built from the files themselves."""
    build(root=tmp_path / "copied")
    return tree(tmp_path / "copied")


def line(done) -> str:
    """The last line of stderr, as one line of a terminal of any width."""
    return " ".join(done.stderr.split())


@pytest.mark.parametrize("store", ["http", "hf", "memory"])
def test_a_build_from_a_url_is_that_of_the_copy_byte_for_byte(
    store, published, shelf, build, copied, tree, tmp_path, monkeypatch
):
    url = published
    if store == "hf":
        monkeypatch.setenv("HF_ENDPOINT", shelf.url)
        shelf.files = {path.removeprefix("waves/"): data for path, data in shelf.files.items()}
        url = "hf://datasets/somebody/waves"
    if store == "memory":
        url = f"memory://{tmp_path.name}"
        for path, data in shelf.files.items():
            fsspec.filesystem("memory").pipe(f"/{tmp_path.name}/{path.removeprefix('waves/')}", data)
    done = build(start=url)
    assert done.exit_code == 0, done.output
    assert tree(tmp_path / "root") == copied
    assert "nothing to do" in build(start=url).stdout


def test_verify_plan_append_and_inspect_read_a_url(published, command, waves, build, copied, tmp_path):
    root = tmp_path / "copied"
    equal = command("verify", root / "waves", "--against-source", published)
    assert f"bit for bit equal to {published}" in equal.stdout
    assert "nothing to add" in command("append", waves.recipe, "--from", published, "--to", root).stdout
    assert "4 files" in command("plan", waves.recipe, "--from", published, "--to", tmp_path / "new").stdout
    here = command("inspect", f"{waves.source}/train/one.hdf5").stdout
    there = command("inspect", f"{published}/train/one.hdf5").stdout
    assert there == here.replace(str(waves.source), published)


def test_small_files_are_asked_for_about_once(published, shelf, build):
    assert build(start=published).exit_code == 0
    parts = [said for command, path, said in shelf.asked if path == "waves/train/one.hdf5"]
    # All others ask for the first byte, which tells the version.
    assert len([said for said in parts if said != "bytes=0-0"]) == 1


def test_broken_connections_are_taken_up_where_they_broke(published, shelf, build, copied, tree, tmp_path):
    shelf.breaks_after = 5000
    assert build(start=published).exit_code == 0
    assert tree(tmp_path / "root") == copied
    asked = [said for _, path, said in shelf.asked if path == "waves/train/two.hdf5"]
    starts = {int(said.removeprefix("bytes=").partition("-")[0]) for said in asked}
    assert {0, 5000, 10000} <= starts


def test_a_file_that_never_comes_is_left_out_and_asked_for_again_by_the_same_command(
    published, shelf, build, copied, tree, tmp_path
):
    shelf.broken = {"waves/train/two.hdf5"}
    done = build(start=published)
    assert done.exit_code == 3
    assert re.search(r"left out: train/two.hdf5: the connection broke \(.*\), in 3 attempts; run", line(done))
    shelf.broken = set()
    assert build(start=published).exit_code == 0
    assert tree(tmp_path / "root") == copied


def test_a_file_that_is_lost_after_it_was_planned_is_built_by_the_next_command(
    published, shelf, waves, build, copied, tree, tmp_path
):
    plan = plan_build(load(Recipe, waves.recipe), source_path(published), "zarr", "lz4")
    shelf.broken = {"waves/train/two.hdf5"}
    # What is kept of the files is enough to build all of them.
    ingest.remote.path._block.cache_clear()
    left_out = build_dataset(plan, tmp_path / "root", Resources(1)).card.quarantine
    assert [(each.path, each.row) for each in left_out] == [("train/two.hdf5", 0), ("train/two.hdf5", 1)]
    shelf.broken = set()
    assert build(start=published).exit_code == 0
    assert tree(tmp_path / "root") == copied


def test_a_server_without_ranges_is_refused_in_one_line(published, shelf, build, tmp_path):
    shelf.gives_ranges = False
    done = build(start=published)
    assert done.exit_code == 1
    assert f"its server gives whole files only, no ranges; {FETCH}" in line(done)
    assert not (tmp_path / "root").exists()


def test_a_server_that_states_no_version_is_refused(published, shelf, build):
    shelf.gives_tags = False
    done = build(start=published)
    assert done.exit_code == 1
    assert f"states neither ETag nor date of the file; {FETCH}" in line(done)


def test_a_file_that_changes_after_it_was_planned_is_noticed(published, shelf, waves, tmp_path):
    plan = plan_build(load(Recipe, waves.recipe), source_path(published), "zarr", "lz4")
    shelf.files["waves/train/two.hdf5"] = waves.write("other", rows=2, frames=7).read_bytes()
    with pytest.raises(MismatchError, match=r"train/two.hdf5: has changed while it was read; run the same"):
        build_dataset(plan, tmp_path / "root", Resources(1))


def test_a_file_that_changes_between_two_reads_is_noticed(shelf):
    shelf.files["a.bin"] = content(3000)
    with source_path(f"{shelf.url}/a.bin").open("rb", buffering=0) as file:
        assert file.read(1000) == content(3000)[:1000]
        shelf.files["a.bin"] = content(3000, seed=1)
        with pytest.raises(MismatchError, match="has changed while it was read"):
            file.read(1000)


def test_a_login_page_is_no_data(published, shelf, build):
    page = (200, {"Content-Type": "text/html"}, b"<html>Log in</html>")
    shelf.instead["waves/train/two.hdf5"] = page
    done = build(start=published)
    assert done.exit_code == 3
    assert "train/two.hdf5: the server sent a web page instead of the file" in line(done)


@pytest.fixture
def table(tmp_path):
    recipe = tmp_path / "table.toml"
    recipe.write_text(TABLE)
    return recipe


def values() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 4, 5, 6)).astype("f4")


@pytest.mark.parametrize("version", [2, 3])
def test_a_zarr_store_behind_a_url_is_read_as_its_copy(version, shelf, table, command, tree, tmp_path):
    store = tmp_path / "source" / "runs.zarr"
    group = zarr.open_group(store, mode="w", zarr_format=version)
    group.create_array("u", data=values(), chunks=(1, 2, 5, 6))
    for path in store.rglob("*"):
        if path.is_file():
            shelf.files[f"runs.zarr/{path.relative_to(store).as_posix()}"] = path.read_bytes()
    for start, root in ((store, "here"), (f"{shelf.url}/runs.zarr", "there")):
        done = command("build", table, "--from", start, "--to", tmp_path / root)
        assert done.exit_code == 0, done.output
    here, there = (tree(tmp_path / root / "table" / "train") for root in ("here", "there"))
    assert there == here


def npz(path) -> None:
    np.savez(path, u=values())


def classic(path) -> None:
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        for name, length in zip("ntxy", values().shape, strict=True):
            file.createDimension(name, length)
        file.createVariable("u", "f4", tuple("ntxy"))[:] = values()


def virtual(path) -> None:
    layout = h5py.VirtualLayout((3, 4, 5, 6), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "u", shape=(3, 4, 5, 6))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("u", layout)


@pytest.mark.parametrize(
    ("write", "name", "reason"),
    [
        (npz, "a.npz", "only HDF5, NetCDF4 and zarr are read behind a URL"),
        (classic, "a.nc", "only HDF5, NetCDF4 and zarr are read behind a URL"),
        (virtual, "a.h5", "a virtual dataset, of other.h5, which is not read behind a URL"),
    ],
)
def test_what_needs_a_file_of_this_machine_is_refused_in_one_line(
    write, name, reason, shelf, table, command, tmp_path
):
    write(tmp_path / name)
    shelf.files[f"runs/{name}"] = (tmp_path / name).read_bytes()
    done = command("build", table, "--from", f"{shelf.url}/runs/{name}", "--to", tmp_path / "root")
    assert done.exit_code == 1
    assert line(done).endswith(f"{reason}; {FETCH}")


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ('files = "run_{step}.h5"', "a run in several files (run_{step}.h5) is not read behind a URL"),
        (
            'scalars = { nu = "p.json#nu" }',
            "numbers in files next to the data are not read behind a URL",
        ),
    ],
)
def test_runs_in_several_files_and_side_files_are_refused(key, reason, shelf, table, command, tmp_path):
    shelf.files["runs/run_0.h5"] = b"0"
    table.write_text(TABLE.replace("axes =", f"{key}\naxes ="))
    done = command("build", table, "--from", f"{shelf.url}/runs", "--to", tmp_path / "root")
    assert (done.exit_code, line(done)) == (1, f"walrus-ingest build: {shelf.url}/runs: {reason}; {FETCH}")


def test_a_url_with_a_secret_is_refused_without_showing_it(command):
    for url in ("https://me:s3cret@host/runs", "https://host/runs?sig=s3cret"):
        done = command("build", "shear_flow", "--from", url, "--to", "root")
        assert done.exit_code == 2
        assert "s3cret" not in done.output
        assert re.search(r"holds a password or a query", line(done))
