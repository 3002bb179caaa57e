"""Plain webdataset reads the tars, with one function of ours for a decoder."""

import json
import tarfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import webdataset

from shards.errors import ShardError
from shards.webdataset_sample import decode_sample

KEY = "acoustic_scattering_discontinuous_chunk_0"


@pytest.fixture
def tar(pristine) -> Path:
    return pristine["webdataset"] / "valid" / "valid-00000.tar"


@pytest.fixture
def first(tar) -> dict[str, bytes]:
    with tarfile.open(tar) as opened:
        names = [name for name in opened.getnames() if name.startswith(f"{KEY}-00000.")]
        return {name.split(".", 1)[1]: opened.extractfile(name).read() for name in names}


def test_plain_webdataset_reads_every_sample(tar, raw):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        samples = list(webdataset.WebDataset(str(tar), shardshuffle=False).map(decode_sample))
    assert [(s.document.first, s.document.frames) for s in samples] == [
        (0, 5),
        (5, 5),
        (10, 5),
        (15, 5),
        (20, 4),
    ] * 2
    for row in (0, 1):
        own = samples[5 * row : 5 * row + 5]
        assert np.concatenate([s.fields_TCS for s in own]).tobytes() == raw(row).frames.tobytes()
        for sample in own:
            assert sample.document.trajectory.key == f"{KEY}-{row:05d}"
            assert sample.static_CS.tobytes() == raw(row).static.tobytes()
            assert sample.boundary_S.shape == (64, 48)
            assert sample.grid.coordinates == (tuple(raw(row).x), tuple(raw(row).y))
            assert sample.grid.widths[0] == pytest.approx([2 / 64] * 64)
            assert set(np.unique(sample.boundary_S)) == {0, 1, 2, 3}


def test_members_are_named_for_webdataset_and_hold_nothing_to_unpickle(tar):
    with tarfile.open(tar) as opened:
        names = opened.getnames()
        contents = {name: opened.extractfile(name).read() for name in names}
    keys = [f"{KEY}-{row:05d}{part}" for row in (0, 1) for part in ("", "_001", "_002", "_003", "_004")]
    kinds = ("fields.shard", "boundary.shard", "static.shard", "grid.json", "json")
    assert names == [f"{key}.{kind}" for key in keys for kind in kinds]
    for name, content in contents.items():
        assert not content.startswith(b"\x80")
        if name.endswith(".json"):
            json.loads(content)


@pytest.mark.parametrize("codec", ["zstd", "raw"])
def test_every_codec_is_decoded(built, tmp_path, raw, codec):
    folder = built(tmp_path, "webdataset", codec, shard_frames=24, pieces=1)
    url = str(folder / "valid" / "valid-00000.tar")
    samples = list(webdataset.WebDataset(url, shardshuffle=False).map(decode_sample))
    for row, sample in enumerate(samples):
        assert sample.fields_TCS.tobytes() == raw(row).frames.tobytes()


@pytest.mark.parametrize("member", ["fields.shard", "boundary.shard", "static.shard", "grid.json", "json"])
def test_a_cut_member_is_an_error_of_ours(first, member):
    with pytest.raises(ShardError):
        decode_sample({**first, member: first[member][:-9]})


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [64, 47]},
        {"shape": [16 * 10**12, 48]},
        {"shape": [-16, 48]},
        {"chunk": [3, 0, 48]},
        {"frames": 10**9},
        {"shard_frames": 10**12},
        {"channels": ["pressure"]},
        {"scale": [1.0]},
    ],
)
def test_a_document_that_does_not_fit_its_shard_is_an_error_of_ours(first, change):
    document = {**json.loads(first["json"]), **change}
    with pytest.raises(ShardError):
        decode_sample({**first, "json": json.dumps(document).encode()})
