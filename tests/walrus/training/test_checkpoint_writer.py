"""Checkpoints that are written while training goes on, by threads of real ranks under ZeRO 1."""

import json
import resource
import signal
import time
from pathlib import Path

import pytest
import torch

from shards.errors import MismatchError
from tests.walrus.training.own_process import run_script
from walrus.training.checkpoint_writer import CheckpointWriter, copies_of
from walrus.training.run_checkpoint import Checkpoint, Fragment, RunCheckpoint

SCRIPT = Path(__file__).with_name("writer_run.py")


def wait_for(writer):
    while writer.is_writing:
        time.sleep(0.01)


@pytest.fixture
def small_files():
    """Files of this process may not grow beyond 4 kB, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_training_changes_after_the_copy_is_not_in_the_checkpoint(tmp_path, world):
    writer, weights = CheckpointWriter(tmp_path), torch.arange(7.0)
    for step in (1, 2):
        writer.begin(Checkpoint(step, 1, {"w": step}, {}), [Fragment("weight", "w", 0, weights)])
        weights += 100
    writer.finish()
    for step, first in ((1, 0), (2, 100)):
        saved = RunCheckpoint(tmp_path / f"step-000000{step}")
        assert torch.equal(saved.read("weight", "w", 0, 7), torch.arange(7.0) + first)


def test_copies_take_the_memory_of_the_ones_before():
    pieces = [Fragment("weight", "w", 3, torch.arange(5.0)), Fragment("weight", "v", 0, torch.ones(2))]
    first = copies_of(pieces, {})
    assert list(first) == ["weight/w@3", "weight/v@0"]
    places = [copy.data_ptr() for copy in first.values()]
    assert [copy.data_ptr() for copy in copies_of(pieces, first).values()] == places
    (longer,) = copies_of([Fragment("weight", "w", 3, torch.arange(6.0))], first).values()
    assert torch.equal(longer, torch.arange(6.0))


def test_a_writer_that_fails_is_told_at_the_next_step_and_the_checkpoint_before_stays(
    tmp_path, world, small_files
):
    writer, weights = CheckpointWriter(tmp_path), torch.arange(2000.0)
    writer.begin(Checkpoint(1, 1, {"w": 1}, {}), [Fragment("weight", "w", 0, weights)])
    writer.finish()
    small_files()
    writer.begin(Checkpoint(2, 1, {"w": 2}, {}), [Fragment("weight", "w", 0, weights + 1)])
    with pytest.raises(MismatchError, match=r"rank-00000\.safetensors: cannot be written .*File too large"):
        wait_for(writer)
    with pytest.raises(MismatchError, match="the same command continues from the last checkpoint"):
        writer.finish()
    saved = RunCheckpoint.last(tmp_path)
    assert saved.checkpoint.step == 1
    assert torch.equal(saved.read("weight", "w", 0, 2000), weights)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two ranks that are never disturbed; two of which one is killed while it writes; these, going on."""
    folder = tmp_path_factory.mktemp("runs")
    done = run_script(SCRIPT, folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_training_goes_on_while_a_rank_writes(runs):
    folder, codes = runs
    assert codes["unbroken"] == [0, 0]
    # The thread of rank 1 would have written nothing before the next step was done.
    assert (folder / "unbroken" / "waited-for-the-next-step").read_text() == "True"
    assert sorted(path.name for path in folder.glob("unbroken/step-*")) == ["step-0000004", "step-0000006"]


@pytest.mark.slow
def test_a_rank_killed_while_it_writes_costs_the_steps_since_the_checkpoint_before_and_no_digit(runs):
    folder, codes = runs
    assert codes["killed"][1] == -signal.SIGKILL
    assert codes["killed"][0] not in (0, -signal.SIGKILL)
    assert codes["resumed"] == [0, 0]
    assert (folder / "killed" / "went-on-at").read_text() == "2"
    one, other = (RunCheckpoint.last(folder / name) for name in ("unbroken", "killed"))
    assert one.checkpoint.updates == other.checkpoint.updates
    assert len(one._index) == 3 * 6
    for name in one._index:
        kind, _, parameter = name.partition("/")
        count = one._index[name][-1].stop
        assert torch.equal(one.read(kind, parameter, 0, count), other.read(kind, parameter, 0, count)), name
