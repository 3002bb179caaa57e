"""A dataset behind a web server is checked, described, read and copied as the one in its folder is."""

from pathlib import Path

import numpy as np
import pytest

import shards.remote
import walrus.data
from walrus.api import stored


@pytest.fixture
def dataset(good, build, tmp_path) -> Path:
    build()
    return tmp_path / "root" / "waves"


@pytest.fixture
def url(dataset, served, monkeypatch, tmp_path) -> str:
    monkeypatch.setattr(shards.remote, "WAITS", ())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return f"{served(dataset.parent)}/{dataset.name}"


def test_verify_says_of_a_url_what_it_says_of_the_folder(dataset, url, good, command):
    for options in ([], ["--against-source", good.source]):
        here = command("verify", dataset, *options)
        there = command("verify", "waves", "--root", url.removesuffix("/waves"), *options)
        assert (there.exit_code, there.stdout) == (0, here.stdout.replace(str(dataset), url))


def test_verify_finds_what_changed_on_the_server_after_it_was_cached(dataset, url, command):
    walrus.data.open(url).document(walrus.data.open(url).entries("train")[0])
    largest = max(
        (path for path in (dataset / "train").rglob("*") if path.is_file()), key=lambda p: p.stat().st_size
    )
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    (dataset / "recipe.toml").write_text("")
    done = command("verify", url)
    assert done.exit_code == 1
    damaged, recipe, end = done.stderr.splitlines()
    assert damaged.startswith(f"{url}/{largest.relative_to(dataset)}: came with ")
    assert recipe.startswith(f"{url}/recipe.toml: its checksum differs")
    assert end == f"walrus-ingest verify: {url}: 2 faults"


def test_frames_of_a_url_are_those_of_the_folder(dataset, url):
    here, there = (stored(place, "train", trajectory=1, first=2, frames=3) for place in (dataset, url))
    np.testing.assert_array_equal(there.frames_TCS, here.frames_TCS)
    assert walrus.data.open(url).card == walrus.data.open(dataset).card


@pytest.mark.slow
def test_the_report_of_a_url_goes_to_a_file_that_is_named(dataset, url, command, tmp_path):
    assert "name a file for the page with --out" in command("report", url).stderr
    page = tmp_path / "page.html"
    assert command("report", url, "--out", page).stdout == f"{page}\n"
    command("report", dataset)
    assert page.read_bytes() == (dataset / "report.html").read_bytes()


def test_a_copy_of_a_url_is_that_of_the_folder(dataset, url, command, tree, tmp_path):
    for place, root in ((dataset, "here"), (url, "there")):
        assert command("convert", place, "--format", "webdataset", "--to", tmp_path / root).exit_code == 0
    assert tree(tmp_path / "here") == tree(tmp_path / "there")
