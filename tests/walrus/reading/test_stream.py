import numpy as np
import pytest
import torch

from shards.errors import MismatchError, ShardError
from walrus.model.cost import cost_of
from walrus.model.settings import PRESETS
from walrus.reading.plan import StreamSettings, Window
from walrus.reading.ranks import Rank
from walrus.reading.reader import Reader, scales
from walrus.reading.stream import Shards, plan_stream, stream

NAMES = ["shear_flow", "acoustic_scattering_discontinuous", "MHD_64"]
SETTINGS = StreamSettings(
    micro_batches=3, windows_2d=4, windows_3d=2, history_2d=4, history_3d=3, largest_stride=3
)


@pytest.fixture(scope="module")
def shards(root):
    return Shards.open(root, NAMES)


@pytest.fixture(scope="module")
def plan(shards):
    return plan_stream(shards, dict.fromkeys(NAMES, 1), SETTINGS, 3, cost_of(PRESETS["tiny"]))


def direct(dataset, window, frames):
    """Frames of a window, each decoded by itself, times their scale."""
    entry = dataset.entries("train")[window.trajectory]
    values = np.empty((frames, *dataset.card.schema.frame_shape), np.float32)
    dataset.read_frames(entry, [window.first + window.stride * n for n in range(frames)], values)
    return values


def test_batches_come_in_the_order_of_the_plan_and_hold_its_windows(shards, plan):
    expected = [micro for step in range(2, 5) for micro in plan.step(step)]
    for micro, (found, batch) in zip(expected, stream(plan, shards, 2, 5), strict=True):
        assert found == micro
        assert batch.task == micro.task
        dataset = shards.datasets[micro.task]
        for number, window in enumerate(micro.windows):
            values = direct(dataset, window, batch.fields_BTCHWD.shape[1])
            real = batch.fields_BTCHWD[number][:, ~batch.padded_C].reshape(values.shape)
            np.testing.assert_array_equal(real.numpy(), values)


def test_a_window_times_its_scale_is_the_physical_field(shards, samples):
    import h5py

    dataset = shards.datasets["shear_flow"]
    reader = Reader(dataset, "test")
    batch = reader.read([Window(1, 3, 2)], reader.buffers(1, 4))
    document = dataset.document(reader.entries[1])
    physical = batch.fields_BTCHWD[0] * batch.scale_C[:, None, None, None]
    with h5py.File(samples / "well/shear_flow" / document.trajectory.origin.file) as file:
        velocity = file["t1_fields/velocity"][document.trajectory.origin.row, 3:11:2]
    np.testing.assert_array_equal(
        physical[:, batch.channels.index("velocity_y"), ..., 0].numpy(), velocity[..., 1]
    )


def test_ranks_see_the_same_batches_in_slices(shards, plan):
    whole = [batch.fields_BTCHWD.clone() for _, batch in stream(plan, shards, 0, 3)]
    halves = [
        [batch.fields_BTCHWD.clone() for _, batch in stream(plan, shards, 0, 3, Rank(rank, 2))]
        for rank in (0, 1)
    ]
    for together, first, second in zip(whole, *halves, strict=True):
        torch.testing.assert_close(together, torch.cat([first, second]), rtol=0, atol=0)


def test_reused_buffers_never_mix_two_batches(shards, plan):
    kept = [(micro.number, batch.fields_BTCHWD.clone()) for micro, batch in stream(plan, shards, 0, 12)]
    for number, fields in kept:
        micro = plan.micro_batch(number)
        reader = Reader(shards.datasets[micro.task], "train")
        alone = reader.read(micro.windows, reader.buffers(len(micro.windows), fields.shape[1]))
        torch.testing.assert_close(fields, alone.fields_BTCHWD, rtol=0, atol=0)


def test_float64_shards_are_read_as_float32(root):
    dataset = Shards.open(root, ["pdearena_conditioned_ins"]).datasets["pdearena_conditioned_ins"]
    reader = Reader(dataset, "valid")
    assert reader.read([Window(0, 0, 1)], reader.buffers(1, 2)).fields_BTCHWD.dtype == torch.float32


def test_channels_name_every_field_once_with_padding(shards):
    assert shards.channels[:5] == ("tracer", "pressure", "velocity_x", "velocity_y", "velocity_z")
    assert len(set(shards.channels)) == len(shards.channels)
    assert "speed_of_sound" in shards.channels


def test_scales_are_those_of_the_card(shards):
    dataset = shards.datasets["acoustic_scattering_discontinuous"]
    powers = dataset.card.powers
    assert scales(dataset) == (2.0 ** powers["pressure"], *(2.0 ** powers["velocity"],) * 2)


def test_an_absent_dataset_and_an_empty_split_are_refused(root, tmp_path):
    with pytest.raises(ShardError, match="does not exist"):
        Shards.open(root, ["nowhere"])
    dataset = Shards.open(root, ["MHD_64"]).datasets["MHD_64"]
    object.__setattr__(dataset.index, "trajectories", dataset.entries("train"))
    with pytest.raises(MismatchError, match="has no test trajectories"):
        Reader(dataset, "test")
