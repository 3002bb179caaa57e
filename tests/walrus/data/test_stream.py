"""The stream of pretraining for any model: the same windows on any number of ranks and workers, exact to
resume.
"""

import json
import pickle
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from shards.errors import MismatchError, SettingsError
from walrus.data import Rank, Stream, StreamSettings
from walrus.data.stream import ValueCount
from walrus.reading.plan import Window

SETTINGS = StreamSettings(micro_batches=4, windows_2d=4, history_2d=3, largest_stride=3, block=4)
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def places(acoustics, shear):
    return [acoustics, shear]


def make(places, **options):
    return Stream(places, SETTINGS, **({"seed": 5, "steps": 6} | options))


def seen(samples):
    """What came, in order, to compare."""
    return [(sample.dataset, sample.fields.clone(), sample.time.clone()) for sample in samples]


def equal(one, other):
    return len(one) == len(other) and all(
        a[0] == b[0] and torch.equal(a[1], b[1]) and torch.equal(a[2], b[2])
        for a, b in zip(one, other, strict=True)
    )


def by_content(part):
    name, fields, time = part
    return name, fields.double().sum().item(), time.sum().item()


@pytest.fixture(scope="module")
def whole(places):
    return seen(make(places))


def test_micro_batches_hold_the_windows_of_the_plan_in_physical_units(places, whole, fields_of):
    stream = make(places)
    assert len(whole) == 6 * 4
    number, micro = next(
        (number, micro)
        for number, micro in enumerate(micro for step in range(6) for micro in stream.plan.step(step))
        if micro.task.startswith("acoustic")
    )
    name, fields, _ = whole[number]
    assert name == micro.task
    assert fields.shape == (4, 4, 3, 64, 48)
    for window, found in zip(micro.windows, fields, strict=True):
        assert isinstance(window, Window)
        last = window.first + 4 * window.stride
        expected = fields_of(window.trajectory)[window.first : last : window.stride]
        assert found.numpy().tobytes() == expected.tobytes()


def test_datasets_come_as_often_as_their_weight(places):
    names = Counter(sample.dataset for sample in make(places, weights={"shear_flow": 3, places[0].name: 1}))
    assert names == {"shear_flow": 18, places[0].name: 6}
    with pytest.raises(
        SettingsError, match="expected one each of acoustic_scattering_discontinuous, shear_flow"
    ):
        make(places, weights={"shear_flow": 3})


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_workers_change_nothing(places, whole, workers):
    assert equal(seen(DataLoader(make(places), batch_size=None, num_workers=workers)), whole)


def test_spawned_workers_change_nothing(places, whole):
    loader = DataLoader(make(places), batch_size=None, num_workers=1, multiprocessing_context="spawn")
    assert equal(seen(loader), whole)
    assert len(pickle.dumps(make(places))) < 20000


def test_a_stream_goes_on_from_a_step_on_any_number_of_ranks(places, whole):
    stream = make(places)
    stream.load_state_dict({"step": 2})
    assert equal(seen(stream), whole[8:])
    for groups in (1, 2):
        shares = []
        for rank in (0, 1):
            stream = make(places, rank=Rank(rank, 2, groups))
            stream.load_state_dict({"step": 2})
            shares.append(seen(DataLoader(stream, batch_size=None, num_workers=2)))
        if groups == 2:
            parts = [part for share in shares for part in share]
            expected = whole[8:]
        else:
            # Two ranks of one group take half of each micro-batch.
            parts = shares[0] + shares[1]
            expected = [(n, f[:2], t[:2]) for n, f, t in whole[8:]] + [
                (n, f[2:], t[2:]) for n, f, t in whole[8:]
            ]
        assert equal(sorted(parts, key=by_content), sorted(expected, key=by_content))


def test_a_state_within_a_step_goes_on_there_and_only_on_the_same_layout(places, whole):
    stream = make(places)
    iterator = iter(stream)
    for _ in range(10):
        next(iterator)
    state = stream.state_dict()
    assert state == {"step": 2, "taken": 2, "share": 4, "workers": 1}
    again = make(places)
    again.load_state_dict(state)
    assert equal(seen(again), whole[10:])
    other = make(places, rank=Rank(0, 2, 2))
    other.load_state_dict(state)
    with pytest.raises(MismatchError, match="give load_state_dict the number of whole steps that are done"):
        next(iter(other))
    with pytest.raises(SettingsError, match="found a state of epoch; expected step"):
        other.load_state_dict({"epoch": 2})


def test_an_epoch_is_so_many_steps(places, whole):
    short = make(places, steps=3)
    assert equal(seen(short), whole[:12])
    short.set_epoch(1)
    assert equal(seen(short), whole[12:])
    endless = make(places, steps=None)
    assert equal(seen(islice(endless, 24)), whole)
    with pytest.raises(SettingsError, match="give steps"):
        endless.set_epoch(1)


def test_the_cost_of_your_model_fills_the_micro_batches(places):
    settings = StreamSettings(micro_batches=2, history_2d=3, micro_batch_tflop=8e-12)

    def cost_of(schema, history):
        assert history == 3
        return ValueCount(4.0 if "tracer" in schema.channels else 1.0)

    stream = Stream(places, settings, cost_of=cost_of, steps=4)
    sizes = {sample.dataset: len(sample.fields) for sample in stream}
    assert sizes == {"shear_flow": 2, places[0].name: 8}
    with pytest.raises(SettingsError, match="needs cost_of"):
        Stream(places, settings)


def test_a_loader_that_would_batch_the_batches_is_refused(places):
    with pytest.raises(MismatchError, match="batches already; give the DataLoader batch_size=None"):
        next(iter(DataLoader(make(places))))


@pytest.mark.parametrize("workers", [0, 2])
def test_torchdata_resumes_it_anywhere(places, whole, workers):
    stateful = pytest.importorskip("torchdata.stateful_dataloader")
    loader = stateful.StatefulDataLoader(make(places), batch_size=None, num_workers=workers)
    iterator = iter(loader)
    first = seen(islice(iterator, 9))
    state = loader.state_dict()
    again = stateful.StatefulDataLoader(make(places), batch_size=None, num_workers=workers)
    again.load_state_dict(state)
    assert equal(first + seen(again), whole)


SCRIPT = """
import json
import sys
from pathlib import Path
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from walrus.data import Stream, StreamSettings

settings = StreamSettings(micro_batches=2, windows_2d=2, history_2d=2, largest_stride=1)
stream = Stream(sys.argv[1], settings, units="rms", steps=3)
# Only now has this process a rank, as in Lightning.
torch.distributed.init_process_group("gloo")
torch.manual_seed(0)
model = DistributedDataParallel(nn.Conv2d(3, 3, 3, padding=1))
optimiser, losses = torch.optim.SGD(model.parameters(), 0.1), []
for sample in DataLoader(stream, batch_size=None, num_workers=1):
    loss = (model(sample.fields[:, -2]) - sample.fields[:, -1]).square().mean()
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()
    losses.append(loss.item())
result = {"losses": losses, "weight": model.module.weight.sum().item()}
Path(f"{sys.argv[2]}/{torch.distributed.get_rank()}.json").write_text(json.dumps(result))
"""


def test_two_ranks_of_plain_ddp_train_from_it(acoustics, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, str(script), str(acoustics), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert len(first["losses"]) == 3
    assert first["losses"] != second["losses"]
    assert first["weight"] == second["weight"]
