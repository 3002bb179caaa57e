"""A run's folder that is resumed, found finished, or refused; the runs themselves are in test_commands.py."""

import shutil
from dataclasses import replace

import pytest
import torch
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from pipelines.job import Job, has_this_recipe, identity, is_finished, write_recipe
from pipelines.recipe import DatasetChoice, find_run_recipe
from pipelines.run import continuation, reason_of
from shards.errors import MismatchError, StoppedError
from shards.json_text import dump
from walrus.checkpoint import ModelDescription, load_model, save_model
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.reading.stream import Shards
from walrus.training.run_checkpoint import Checkpoint
from walrus.vocabulary import PUBLISHED

MODEL = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=2)
NAMES = ("shear_flow", "MHD_64")


@pytest.fixture
def job(root, tmp_path):
    recipe = replace(find_run_recipe("tiny"), datasets=tuple(DatasetChoice(name) for name in NAMES))
    return Job(recipe, MODEL, PUBLISHED.names, root, tmp_path / "run", 1)


def changed(job, part, **values):
    return replace(job, recipe=replace(job.recipe, **{part: replace(getattr(job.recipe, part), **values)}))


def identity_of(job):
    return identity(job, Shards.open(job.root, NAMES))


def leave_checkpoint(job):
    folder = job.run / "checkpoints" / "step-0000005"
    folder.mkdir(parents=True)
    (folder / "checkpoint.json").write_text(dump(Checkpoint, Checkpoint(5, 1, 5.0, identity_of(job))))


def leave_model(folder, step, seed=0):
    torch.manual_seed(seed)
    description = ModelDescription(MODEL, PUBLISHED.names, 4, 4, 1e-5, True, step, 0, NAMES)
    save_model(folder, description, Walrus(MODEL, len(PUBLISHED)).state_dict())


def test_recomputation_changes_nothing_of_what_a_run_is(job):
    thrifty = replace(MODEL, checkpoint_every=1)
    for each in (job, changed(job, "stream", micro_batch_tflop=0.01)):
        assert identity_of(replace(each, model=thrifty)) == identity_of(each)


def test_a_base_model_with_other_weights_is_another_model(job, tmp_path):
    for seed, name in ((0, "one"), (1, "other")):
        leave_model(tmp_path / name, 5, seed)
    shutil.copytree(tmp_path / "one", tmp_path / "moved")
    one, other, moved = (
        identity_of(replace(job, base=tmp_path / name)) for name in ("one", "other", "moved")
    )
    assert one == moved
    assert one["model"] != other["model"]


def test_a_run_without_a_checkpoint_may_begin_anew_by_another_recipe(job):
    write_recipe(job)
    assert not is_finished(changed(job, "schedule", rate=0.5))


def test_a_finished_run_stays_so_where_only_the_reading_differs(job):
    write_recipe(job)
    leave_checkpoint(job)
    leave_model(job.run, job.recipe.schedule.steps)
    slower = changed(job, "reading", threads=1)
    assert is_finished(job)
    assert is_finished(slower)
    assert not has_this_recipe(slower)
    with pytest.raises(MismatchError, match="another schedule"):
        is_finished(changed(job, "schedule", rate=0.5))
    assert not is_finished(replace(changed(job, "schedule", rate=0.5), allow=("schedule",)))


def test_a_model_of_unknown_making_is_never_written_over(job):
    leave_model(job.run, job.recipe.schedule.steps)
    with pytest.raises(MismatchError, match="holds a run of another recipe"):
        is_finished(job)
    assert load_model(job.run)[0].step == job.recipe.schedule.steps


def test_a_rank_that_a_machine_ended_is_told_in_words(tmp_path):
    killed = ProcessExitedException("", error_index=1, error_pid=5, exit_code=-9, signal_name="SIGKILL")
    assert "rank 1 was killed by SIGKILL, perhaps because memory ran out" in str(reason_of(killed, tmp_path))
    cut = ProcessExitedException("", error_index=0, error_pid=5, exit_code=-7, signal_name="SIGBUS")
    assert "SIGBUS, perhaps because a file was cut while it was read" in str(reason_of(cut, tmp_path))
    # So NCCL ends the processes that wait for a lost rank.
    alone = ProcessExitedException("", error_index=0, error_pid=5, exit_code=-6, signal_name="SIGABRT")
    assert "SIGABRT, perhaps because another rank ended" in str(reason_of(alone, tmp_path))
    early = ProcessExitedException("", error_index=0, error_pid=5, exit_code=-15, signal_name="SIGTERM")
    assert isinstance(reason_of(early, tmp_path), StoppedError)
    lost = ProcessRaisedException("connection closed by peer", error_index=0, error_pid=4)
    assert reason_of(lost, tmp_path) is None
    (tmp_path / "reason-1").write_text("flow: a micro-batch of 3 windows")
    assert str(reason_of(lost, tmp_path)) == "flow: a micro-batch of 3 windows"
    stopped = ProcessExitedException("", error_index=1, error_pid=5, exit_code=75)
    assert isinstance(reason_of(stopped, tmp_path), StoppedError)


def test_after_an_interrupt_a_run_begins_again_or_continues_after_its_last_whole_checkpoint(tmp_path):
    assert continuation(tmp_path, 1000).startswith(
        "the same command begins again: a checkpoint is written every 1,000 steps (training.checkpoint_every)"
    )
    (tmp_path / "checkpoints" / "step-0000002").mkdir(parents=True)
    assert "begins again" in continuation(tmp_path, 1000)
