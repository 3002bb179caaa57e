"""`plan` says what a build will do and cost, and writes nothing."""

import json
from pathlib import Path

import pytest

import ingest.building.plan

PACKAGINGS = pytest.mark.parametrize("packaging", ["zarr", "webdataset"])


@pytest.fixture
def foretold(command, waves, tmp_path):
    """walrus-ingest plan of the waves."""

    def call(*options: object):
        return command("plan", waves.recipe, "--from", waves.source, "--to", tmp_path / "root", *options)

    return call


@PACKAGINGS
def test_what_is_foretold_is_what_is_built(good, build, foretold, tmp_path, monkeypatch, packaging):
    monkeypatch.setattr(ingest.building.plan, "SHARD_BYTES", 3 * 3 * 6 * 4 * 4)
    document = json.loads(foretold("--format", packaging, "--json").stdout)
    assert not (tmp_path / "root").exists()
    build("--format", packaging)
    paths = list((tmp_path / "root").rglob("*"))
    assert document["files"] == sum(path.is_file() for path in paths)
    assert document["folders"] == sum(path.is_dir() for path in paths)
    card = json.loads((tmp_path / "root/waves/card.json").read_text())
    index = json.loads((tmp_path / "root/waves/index.json").read_text())
    assert document["counts"] == card["counts"]
    assert document["shards"] == sum(len(entry["segments"]) for entry in index["trajectories"])
    assert document["bytes"] == 49 * 3 * 6 * 4 * 4
    assert (document["parts"], document["done_parts"]) == ({"zarr": 4, "webdataset": 3}[packaging], 0)
    again = json.loads(foretold("--format", packaging, "--json").stdout)
    assert (again["done_parts"], again["seconds"]) == (document["parts"], 0)


def test_a_person_reads_sizes_times_and_what_they_are_judged_by(good, foretold, tmp_path):
    result = foretold("--workers", 2)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    text = {word: rest.strip() for word, rest in lines.items()}
    assert text["builds"] == f"{tmp_path}/root/waves"
    assert text["trajectories"] == "5 train (29 frames), 2 valid (10 frames), 2 test (10 frames)"
    assert text["based on"].startswith("5 frames of train/one.hdf5 (1.44 kB), read, checked and encoded in ")
    assert text["time"].endswith(" s on 2 processes")


def test_what_would_be_left_out_is_told_with_the_code_for_it(good, foretold):
    (good.source / "train" / "bad.hdf5").write_bytes(b"not HDF5")
    result = foretold("--json")
    assert result.exit_code == 3
    assert result.stderr.startswith("left out: train/bad.hdf5: ")
    assert [item["path"] for item in json.loads(result.stdout)["left_out"]] == ["train/bad.hdf5"]


def test_where_the_trial_fails_no_time_is_made_up(waves, foretold):
    waves.spoil(waves.write("train/one"))
    waves.write("train/two")
    document = json.loads(foretold("--json").stdout)
    assert (document["seconds"], document["encoded_bytes"]) == (None, None)
    assert "based on      nothing: " in foretold().stdout


def test_too_little_memory_and_no_source_are_one_line(good, foretold, command, tmp_path):
    (line,) = foretold("--memory", "1MB").stderr.splitlines()
    assert line.startswith("walrus-ingest plan: --memory 1MB for ")
    result = command("plan", good.recipe, "--from", tmp_path / "nowhere", "--to", tmp_path)
    assert result.exit_code == 1
    assert Path(tmp_path / "nowhere").name in result.stderr
