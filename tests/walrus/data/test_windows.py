"""Every window by number, as a plain DataLoader reads it."""

import pickle
from itertools import islice
from shutil import copytree

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, DistributedSampler

from shards.convert import convert
from shards.errors import MismatchError, SettingsError, ShardError
from shards.read import Dataset
from walrus.data import BatchesOfOneDataset, Rank, Stream, Windows, open
from walrus.data.sample import Samples, collate


@pytest.fixture(scope="module")
def windows(acoustics):
    return Windows(acoustics, frames=4, strides=(1, 3), every=2)


def all_of(windows, **options):
    """Every window through a loader, tensors copied."""
    return [fields.clone() for sample in DataLoader(windows, **options) for fields in sample.fields]


def test_a_window_holds_the_values_of_the_file_in_physical_units(windows, fields_of):
    # 24 frames: 4 frames with stride 1 begin at 0, 2, ..., 20, with stride 3 at 0, 2, ..., 14.
    assert len(windows) == 8 * (11 + 8)
    for number, (row, first, stride) in {
        0: (0, 0, 1),
        10: (0, 20, 1),
        18: (0, 14, 3),
        20: (1, 2, 1),
        -1: (7, 14, 3),
    }.items():
        sample = windows[number]
        expected = fields_of(row)[first : first + 4 * stride : stride]
        np.testing.assert_array_equal(sample.fields.numpy(), expected)
        assert sample.fields.shape == (4, 3, 64, 48)
    with pytest.raises(IndexError):
        windows[len(windows)]


def test_a_sample_says_what_it_is(shear, samples):
    windows = Windows(shear, "test", frames=3, strides=(2,))
    sample = windows[1]
    document = windows.datasets[0].document(windows.datasets[0].entries("test")[0])
    with h5py.File(samples / "well/shear_flow" / document.trajectory.origin.file) as file:
        time = file["dimensions/time"][()]
        reynolds = float(file["scalars/Reynolds"][()])
    np.testing.assert_allclose(sample.time, time[1:7:2].astype("f8"))
    assert float(sample.scalars["Reynolds"]) == reynolds
    assert sample.dataset == "shear_flow"
    assert sample.channels == ("tracer", "pressure", "velocity_x", "velocity_y")
    assert sample.static.shape[0] == len(sample.static_channels) == 0
    assert sample.boundary.dtype == torch.uint8


def test_units_are_those_asked_for(acoustics, fields_of):
    card, physical = Dataset(acoustics).card, fields_of(0)[:2]
    moments = [card.moments[name] for name in card.schema.channels]
    column = {
        name: np.array([getattr(each, name) for each in moments]).reshape(-1, 1, 1)
        for name in ("mean", "std", "rms")
    }
    expected = {
        "stored": physical / np.exp2([-1, -4, -4]).reshape(-1, 1, 1),
        "rms": physical / column["rms"],
        "standard": (physical - column["mean"]) / column["std"],
    }
    for units, values in expected.items():
        sample = Windows(acoustics, units=units)[0]
        np.testing.assert_allclose(sample.fields.numpy(), values, rtol=1e-5, atol=1e-6)
        assert torch.isfinite(sample.static).all()
    speed = card.moments["speed_of_sound"]
    sample = Windows(acoustics, units="standard")[0]
    static = Windows(acoustics)[0].static
    np.testing.assert_allclose(sample.static[1], (static[1] - speed.mean) / speed.std, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_a_loader_gives_the_same_windows_with_any_number_of_workers(windows, workers):
    expected = [windows[number].fields for number in range(len(windows))]
    found = all_of(windows, batch_size=8, num_workers=workers)
    assert len(found) == len(expected)
    assert all(map(torch.equal, found, expected))


def test_any_number_of_threads_reads_the_same_batches(windows, acoustics):
    numbers = list(range(0, len(windows), 7))
    batches = [
        Windows(acoustics, frames=4, strides=(1, 3), every=2, threads=threads).__getitems__(numbers).batch
        for threads in (1, 3)
    ]
    for name in ("fields", "static", "boundary", "time"):
        assert getattr(batches[0], name).equal(getattr(batches[1], name))
    assert batches[0].fields[5].equal(windows[numbers[5]].fields)


def test_workers_may_be_forked_or_spawned(windows):
    expected = [windows[number].fields for number in range(len(windows))]
    for context in ("fork", "spawn"):
        found = all_of(windows, batch_size=16, num_workers=1, multiprocessing_context=context)
        assert all(map(torch.equal, found, expected))
    assert len(pickle.dumps(windows)) < 2000


def test_batches_that_are_kept_stay_as_they_are_and_others_use_their_memory_again(windows):
    loader = DataLoader(windows, batch_size=8)
    kept = [sample.fields for sample in loader]
    expected = [windows[number].fields for number in range(len(windows))]
    assert torch.equal(torch.cat(kept), torch.stack(expected))
    del kept
    # A loader reads the next batch while the last one is still held: two places take turns.
    places = {sample.fields.data_ptr() for sample in DataLoader(windows, batch_size=8, drop_last=True)}
    assert len(places) == 2


class WhereRead(Windows):
    """Gives each batch the address at which it was read, in place of the name of its dataset."""

    def __getitems__(self, numbers):
        batch = super().__getitems__(numbers).batch
        return Samples(batch._replace(dataset=str(batch.fields.data_ptr())))


class ReadOnce(Windows):
    """Gives the first batch again and again, and reads another one in between."""

    def __getitems__(self, numbers):
        batch = super().__getitems__(numbers)
        self.first = getattr(self, "first", batch)
        return self.first


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_of_workers_stay_as_they_are_while_they_are_kept(windows, workers):
    kept = [sample.fields for sample in DataLoader(windows, batch_size=4, num_workers=workers)]
    assert torch.equal(torch.cat(kept), torch.cat([sample.fields for sample in DataLoader(windows, 4)]))


def test_a_worker_uses_memory_again_that_the_training_loop_has_dropped(acoustics):
    loader = DataLoader(WhereRead(acoustics), batch_size=4, num_workers=1, drop_last=True)
    places = [sample.dataset for sample in loader]
    assert len(places) > 3 * len(set(places))
    kept = list(loader)
    assert len({sample.dataset for sample in kept}) == len(kept)


def test_a_batch_that_a_worker_sends_twice_is_the_same_both_times(acoustics):
    expected = next(iter(DataLoader(Windows(acoustics), batch_size=4))).fields
    for sample in DataLoader(ReadOnce(acoustics), batch_size=4, num_workers=1):
        assert torch.equal(sample.fields, expected)


def test_a_batch_is_read_where_the_loader_takes_it(windows):
    batch = windows.__getitems__([3, 1])
    sample = next(iter(DataLoader(windows, sampler=[3, 1], batch_size=2)))
    assert len(batch) == 2
    assert torch.equal(batch[1].fields, windows[1].fields)
    assert torch.equal(sample.fields, torch.stack([each.fields for each in batch]))
    assert sample.scalars.keys() == batch[0].scalars.keys()
    assert all(len(values) == 2 for values in sample.scalars.values())


def test_several_datasets_come_in_batches_of_one(acoustics, shear):
    windows = Windows([acoustics, shear], frames=2)
    sampler = BatchesOfOneDataset(windows, 4, seed=1)
    seen = [(sample.dataset, sample.fields.shape) for sample in DataLoader(windows, batch_sampler=sampler)]
    assert {name for name, _ in seen} == {"shear_flow", "acoustic_scattering_discontinuous"}
    assert all(shape[0] == 4 for _, shape in seen)
    assert len(seen) == len(sampler)
    numbers = [number for batch in sampler for number in batch]
    assert len(set(numbers)) == len(numbers)
    again = [number for batch in sampler for number in batch]
    sampler.set_epoch(1)
    assert again == numbers != [number for batch in sampler for number in batch]
    with pytest.raises(MismatchError, match="give the DataLoader batch_sampler=BatchesOfOneDataset"):
        list(DataLoader(windows, batch_size=len(windows)))


def test_an_epoch_goes_on_with_the_batches_that_are_left(acoustics, shear):
    """As docs/data-api.md says: by torchdata's loader, and by the rest of the sampler's list."""
    stateful = pytest.importorskip("torchdata.stateful_dataloader")
    windows = Windows([acoustics, shear], frames=2)
    whole = [sample.fields for sample in DataLoader(windows, batch_sampler=BatchesOfOneDataset(windows, 8))]
    first = stateful.StatefulDataLoader(windows, batch_sampler=BatchesOfOneDataset(windows, 8))
    for _ in islice(first, 3):
        state = first.state_dict()
    second = stateful.StatefulDataLoader(windows, batch_sampler=BatchesOfOneDataset(windows, 8))
    second.load_state_dict(state)
    rest = DataLoader(windows, batch_sampler=list(BatchesOfOneDataset(windows, 8))[3:])
    for loader in (second, rest):
        found = [sample.fields for sample in loader]
        assert len(found) == len(whole) - 3
        assert all(map(torch.equal, found, whole[3:]))


def test_ranks_share_the_batches(acoustics):
    windows = Windows(acoustics)
    shares = [list(BatchesOfOneDataset(windows, 3, 0, Rank(rank, 2, 2))) for rank in (0, 1)]
    whole = [tuple(batch) for batch in BatchesOfOneDataset(windows, 3, 0)]
    assert len(shares[0]) == len(shares[1])
    assert {tuple(batch) for share in shares for batch in share} <= set(whole)
    assert not {tuple(batch) for batch in shares[0]} & {tuple(batch) for batch in shares[1]}
    # torch's own sampler does as well for one dataset.
    loader = DataLoader(windows, batch_size=3, sampler=DistributedSampler(windows, 2, 0))
    assert sum(len(sample.fields) for sample in loader) == len(windows) // 2


def test_what_cannot_be_is_refused_in_one_line(acoustics, tmp_path):
    with pytest.raises(SettingsError, match=r"frames 0, strides \[1\], every 1, threads 2: expected 1"):
        Windows(acoustics, frames=0)
    with pytest.raises(
        MismatchError, match="no train window of 99 frames with stride 1; there are 8 trajectories"
    ):
        Windows(acoustics, frames=99)
    with pytest.raises(ShardError, match="does not exist"):
        Windows(tmp_path / "nothing")
    with pytest.raises(SettingsError, match="units None: expected physical, stored, rms, standard"):
        Windows(acoustics, units=None)
    with pytest.raises(SettingsError, match="units std: expected physical, stored, rms, standard"):
        Windows(acoustics, units="std")
    with pytest.raises(SettingsError, match=r"split tset: expected train, valid, test; did you mean test\?"):
        Windows(acoustics, "tset")
    with pytest.raises(MismatchError, match="lower batch_size"):
        BatchesOfOneDataset(Windows(acoustics), 1000)


def test_a_damaged_frame_names_its_trajectory(acoustics, tmp_path):
    folder = copytree(acoustics, tmp_path / "copy")
    dataset = open(folder)
    shard = dataset.entries("train")[0].segments[0].fields
    with (folder / shard.path).open("r+b") as file:
        file.seek(16)
        file.write(b"\xff" * 64)
    with pytest.raises(ShardError, match=f"trajectory {dataset.entries('train')[0].key}, frame 0"):
        Windows(folder)[0]


def test_a_scalar_that_a_trajectory_lacks_is_not_a_number(windows):
    first, second = windows[0], windows[1]
    batch = collate(
        [first._replace(scalars={"Re": torch.tensor(2.0, dtype=torch.float64)}), second._replace(scalars={})]
    )
    assert batch.scalars["Re"][0] == 2
    assert torch.isnan(batch.scalars["Re"][1])


def test_tars_give_the_same_windows(acoustics, tmp_path):
    folder = convert(Dataset(acoustics), "webdataset", tmp_path)
    assert torch.equal(Windows(folder, frames=4)[5].fields, Windows(acoustics, frames=4)[5].fields)


def test_two_datasets_of_one_name_and_none_at_all_are_refused(acoustics, shear):
    words = "datasets: .* and .* are both called shear_flow; give each dataset once"
    for make in (Windows, Stream):
        with pytest.raises(SettingsError, match=words):
            make([shear, acoustics, str(shear)])
        with pytest.raises(SettingsError, match="datasets: found none"):
            make([])
