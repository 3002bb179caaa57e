"""Verify finds every damage, and says in which file."""

import json
from pathlib import Path

import pytest

from shards.json_text import text_with_checksum, to_text
from shards.read import Dataset
from shards.verify import faults


def found(folder: Path) -> list[str]:
    return list(faults(Dataset(folder)))


def largest(folder: Path) -> Path:
    return max(
        (path for path in (folder / "valid").rglob("*") if path.is_file()),
        key=lambda p: (p.stat().st_size, p),
    )


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_a_whole_dataset_has_no_faults(folder):
    assert found(folder) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_one_flipped_bit_is_found_and_its_file_named(folder, share):
    path = largest(folder)
    flip(path, int(path.stat().st_size * share))
    assert [fault.split(":")[0] for fault in found(folder)] == [str(path)]


def test_every_file_of_a_group_is_guarded(pristine, tmp_path):
    from shutil import copytree

    folder = copytree(pristine["zarr"], tmp_path / "copy")
    files = sorted(path for path in (folder / "valid").rglob("*") if path.is_file())
    for path in files:
        flip(path, path.stat().st_size // 2)
    assert sorted(fault.split(":")[0] for fault in found(folder)) == sorted(map(str, files))


def test_a_cut_file_a_missing_file_and_a_stranger_are_named(folder):
    path = largest(folder)
    path.write_bytes(path.read_bytes()[:-100])
    stranger = folder / "train" / "notes.txt"
    stranger.parent.mkdir(exist_ok=True)
    stranger.write_text("mine")
    first, second = found(folder)
    assert first.startswith(f"{path}: has ")
    assert second.startswith(f"{stranger}: is not in the index")
    path.unlink()
    assert found(folder)[0].startswith(f"{path}: missing")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e["boundary"].update(crc32c=1), "differ from the index"),
        (lambda e: e["boundary"].update(offset=10**9), "the file was cut"),
        (lambda e: e["boundary"].update(path="nowhere"), "a member of this file but not the file"),
        (lambda e: e["segments"][4].update(fields=e["segments"][3]["fields"]), "frame 24"),
        (lambda e: e.update(key="another-00000"), "not another-00000"),
    ],
)
def test_an_index_that_is_wrong_is_a_fault(folder, change, words):
    index = json.loads((folder / "index.json").read_text())
    change(index["trajectories"][0])
    if words == "frame 24":
        # A shard of four frames is exchanged for one of five.
        index["trajectories"][0]["segments"][4]["frames"] = 5
        index["trajectories"][0]["frames"] = 25
        words = "it is another file"
    del index["crc32c"]
    (folder / "index.json").write_bytes(text_with_checksum(to_text(index)))
    assert any(words in fault for fault in found(folder))
