"""Windows where the batch wants them: the same numbers by every road, in memory that is used again."""

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ingest.building.build import build
from ingest.building.memory import Resources
from ingest.building.plan import plan_build
from ingest.catalogue import find_recipe
from shards.errors import SettingsError, ShardError
from shards.program.settings import make
from shards.read import Dataset
from walrus.model.cost import cost_of
from walrus.model.settings import PRESETS
from walrus.reading.plan import StreamSettings, Window
from walrus.reading.reader import BatchMemory, Reader, ReadSettings
from walrus.reading.stream import Shards, plan_stream, stream

NAMES = ["shear_flow", "acoustic_scattering_discontinuous", "MHD_64"]
SETTINGS = StreamSettings(
    micro_batches=3, windows_2d=2, windows_3d=1, history_2d=4, history_3d=3, largest_stride=3, block=4
)
WINDOWS = [Window(0, 2, 1), Window(1, 0, 2), Window(0, 3, 1), Window(0, 0, 3), Window(0, 2, 1)]


def plan_of(shards: Shards):
    return plan_stream(shards, dict.fromkeys(shards.datasets, 1), SETTINGS, 3, cost_of(PRESETS["tiny"]))


@pytest.fixture(scope="module")
def raw_root(samples, tmp_path_factory) -> Path:
    """Two sample systems as raw shards."""
    folder = tmp_path_factory.mktemp("raw")
    for name in NAMES[:2]:
        build(
            plan_build(find_recipe(name), samples / "well" / name, "zarr", "raw"),
            folder,
            Resources(1),
        )
    return folder


@pytest.mark.parametrize("name", NAMES[:2])
def test_raw_and_compressed_shards_kept_frames_and_fresh_ones_give_the_same_batch(root, raw_root, name):
    plain = Reader(Dataset(root / name), "train")
    expected = plain.read(WINDOWS, plain.buffers(len(WINDOWS), 5))
    kept, raw = (
        Reader(Dataset(root / name), "train", kept_frames=6),
        Reader(Dataset(raw_root / name), "train"),
    )
    for reader in (kept, raw):
        batch = reader.read(WINDOWS, reader.buffers(len(WINDOWS), 5))
        for field in ("fields_BTCHWD", "static_BCHWD", "cells_BHWD"):
            assert torch.equal(getattr(batch, field), getattr(expected, field))
    entry = plain.entries[0]
    direct = np.empty((5, *plain.dataset.card.schema.frame_shape), "f4")
    plain.dataset.read_frames(entry, range(2, 7), direct)
    real = expected.fields_BTCHWD[0][:, ~expected.padded_C, ..., 0]
    np.testing.assert_array_equal(real.numpy(), direct)
    assert not expected.fields_BTCHWD[:, :, expected.padded_C].any()


def test_memory_that_held_another_dataset_has_zeros_where_channels_only_pad(root):
    room = BatchMemory()
    readers = {name: Reader(Dataset(root / name), "train") for name in NAMES}
    for name in (*NAMES, *NAMES[::-1]):
        reader = readers[name]
        fresh = reader.read(WINDOWS[:1], reader.buffers(1, 4))
        used = reader.read(WINDOWS[:1], room.buffers(reader, 1, 4))
        assert torch.equal(used.fields_BTCHWD, fresh.fields_BTCHWD)
        assert torch.equal(used.static_BCHWD, fresh.static_BCHWD)
        assert torch.equal(used.cells_BHWD, fresh.cells_BHWD)


def test_batches_of_all_tasks_lie_in_the_same_few_places(root):
    shards = Shards.open(root, NAMES)
    places = {batch.fields_BTCHWD.data_ptr() for _, batch in list(stream(plan_of(shards), shards, 0, 2))}
    later = [batch.fields_BTCHWD.data_ptr() for _, batch in stream(plan_of(shards), shards, 0, 20)]
    assert len(places) <= 4
    # Four rooms, each of which grows at most twice: to the size of another task.
    assert len(set(later)) <= 12
    assert len(set(later[20:])) <= 4


@pytest.mark.parametrize("budget", ["0", "1MB", "200MB"])
def test_what_is_read_does_not_depend_on_how(root, budget):
    expected = None
    for threads in (1, 3):
        reading = make(ReadSettings, {"threads": threads, "frame_store": budget}, "here")
        shards = Shards.open(root, NAMES, reading)
        batches = [batch.fields_BTCHWD.clone() for _, batch in stream(plan_of(shards), shards, 0, 6)]
        expected = expected or batches
        assert all(torch.equal(one, other) for one, other in zip(batches, expected, strict=True))
    with pytest.raises(SettingsError, match="here: frame_store"):
        make(ReadSettings, {"frame_store": "much"}, "here")


def test_a_stream_leaves_no_file_open(root):
    def open_files() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    for _ in range(3):
        shards = Shards.open(root, NAMES)
        batches = stream(plan_of(shards), shards, 0, 20)
        for _ in range(5):
            next(batches)
        batches.close()
        del shards, batches
    assert open_files() == before


def test_a_frame_that_cannot_be_decoded_names_shard_trajectory_and_frame(root, tmp_path):
    from shutil import copytree

    dataset = Dataset(copytree(root / "shear_flow", tmp_path / "shear_flow"))
    entry = dataset.entries("train")[0]
    member = entry.segments[0].fields
    path = tmp_path / "shear_flow" / member.path
    content = bytearray(path.read_bytes())
    # The fourth frame says that it is two gigabytes: its checksum is compared before it is believed.
    offset = int.from_bytes(content[len(content) - 4 - 16 * entry.segments[0].frames + 48 :][:8], "little")
    content[offset + 4 : offset + 8] = (2**31 - 1).to_bytes(4, "little")
    path.write_bytes(content)
    for kept in (0, 50):
        reader = Reader(Dataset(tmp_path / "shear_flow"), "train", kept)
        with pytest.raises(
            ShardError, match=rf"{member.path}: trajectory {entry.key}, frame 3: its checksum"
        ):
            reader.read([Window(0, 1, 1)], reader.buffers(1, 4))
    shards = replace(Shards.open(tmp_path, ["shear_flow"]), reading=ReadSettings(frame_store=0))
    with pytest.raises(ShardError, match="frame 3: its checksum"):
        list(stream(plan_of(shards), shards, 0, 40))
