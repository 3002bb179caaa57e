"""Weights and descriptions made to do harm: each is refused in one line, in bounded time and memory."""

import json
import os
import struct
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import save_file

from shards.errors import MismatchError, ShardError, WalrusError
from walrus.checkpoint import ModelDescription, load_model, save_model
from walrus.model.published_files import read_release
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.vocabulary import PUBLISHED
from walrus.weights_file import LARGEST_HEADER, load_weights

SMALL = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=1)


def file_of(path, header, data=b"\0" * 16, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def tensor(shape, start, stop, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}


LIES = {
    "a header of exabytes": {"header": {}, "length": 2**63},
    "a header longer than the file": {"header": {}, "length": 1000},
    "a header of megabytes": {"header": b" " * (LARGEST_HEADER + 1)},
    "a tensor of terabytes": {"header": {"a": tensor([2**40, 2**20], 0, 16)}},
    "sizes whose product wraps around": {"header": {"a": tensor([2**32, 2**32, 4], 0, 16)}},
    "offsets beyond the file": {"header": {"a": tensor([2**40], 0, 2**42)}},
    "offsets that run backwards": {"header": {"a": tensor([4], 16, 0)}},
    "tensors that overlap": {"header": {"a": tensor([4], 0, 16), "b": tensor([4], 0, 16)}},
    "bytes that nobody has": {"header": {"a": tensor([1], 0, 4)}},
    "a kind of number that is not known": {"header": {"a": tensor([4], 0, 16, "X99")}},
    "no JSON": {"header": b"\xff\xfe{"},
    "JSON that is nested deeply": {"header": b'{"a":' + b"[" * 10**6},
    "nothing at all": {"header": b"", "data": b""},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_refused_at_once(tmp_path, lie):
    path = file_of(tmp_path / "weights.safetensors", **LIES[lie])
    began = time.process_time()
    for load in (load_weights, read_release):
        with pytest.raises(ShardError, match=r"weights\.safetensors: cannot be read") as caught:
            load(path)
        assert "\n" not in str(caught.value)
    assert time.process_time() - began < 2


@pytest.mark.slow
def test_the_largest_header_takes_little_memory(tmp_path):
    """As many tensors as fit, in a process that may take half a gigabyte more than it has."""
    count = LARGEST_HEADER // 64
    names = {f"{number:x}": tensor([0], 0, 0) for number in range(count)}
    path = file_of(tmp_path / "weights.safetensors", json.dumps(names).encode()[:LARGEST_HEADER], data=b"")
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from shards.errors import ShardError\n"
        "from walrus.weights_file import load_weights\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n"
        "    load_weights(Path(sys.argv[1]))\n"
        "except ShardError:\n"
        "    pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) * 1024 < 5 * 10**8


def test_a_pipe_and_a_device_are_no_weights(tmp_path):
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "zero.safetensors").symlink_to("/dev/zero")
    for name in ("pipe", "zero", "absent"):
        with pytest.raises(ShardError, match=f"{name}.safetensors: cannot be read"):
            load_weights(tmp_path / f"{name}.safetensors")


@pytest.fixture
def folder(tmp_path):
    values = {"history_2d": 4, "history_3d": 3, "eps": 1e-5, "jitters": True, "step": 7, "seed": 0}
    saved = ModelDescription(SMALL, PUBLISHED.names, datasets=("waves",), **values)
    save_model(tmp_path, saved, Walrus(SMALL, len(PUBLISHED.names)).state_dict())
    return tmp_path


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("hidden", 2**20),
        ("blocks", 10**9),
        ("mlp", 10**12),
        ("heads", -1),
        ("plane_tokens", -5),
        ("volume_tokens", 0),
        ("field_scale", float("inf")),
        ("eps", float("nan")),
        ("eps", 0.0),
    ],
)
def test_a_description_that_no_model_has_is_refused_at_once(folder, key, value):
    document = json.loads((folder / "model.json").read_text())
    del document["crc32c"]
    (document if key == "eps" else document["model"])[key] = value
    (folder / "model.json").write_text(json.dumps(document))
    began = time.process_time()
    with pytest.raises(WalrusError, match=key):
        load_model(folder)
    assert time.process_time() - began < 2


def test_a_description_of_a_network_of_terabytes_next_to_small_weights_is_refused(folder):
    document = json.loads((folder / "model.json").read_text())
    del document["crc32c"]
    document["model"] |= {"hidden": 2**15, "heads": 2**8, "mlp": 2**17, "blocks": 300}
    (folder / "model.json").write_text(json.dumps(document))
    began = time.process_time()
    with pytest.raises(MismatchError, match=r"does not fit model\.json: it holds \d+ numbers, the model"):
        load_model(folder)
    assert time.process_time() - began < 10


def test_what_is_right_is_read(tmp_path):
    save_file({"a": torch.arange(6.0).view(2, 3)}, tmp_path / "weights.safetensors")
    assert load_weights(tmp_path / "weights.safetensors").tensors["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
