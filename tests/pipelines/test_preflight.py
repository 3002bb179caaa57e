"""What is asked before the first step, so that no run ends of it after hours."""

import shutil
from collections import namedtuple
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from pipelines.job import Job
from pipelines.preflight import check_run, require_writable
from pipelines.pretrain import app
from pipelines.pretraining import ingest_all, pretrain
from pipelines.recipe import DatasetChoice, find_run_recipe
from shards.errors import MismatchError, SourceError
from walrus.model.settings import ModelSettings
from walrus.reading.stream import Shards
from walrus.vocabulary import PUBLISHED

MODEL = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=2)


@pytest.fixture
def job(root, tmp_path):
    recipe = replace(find_run_recipe("tiny"), datasets=(DatasetChoice("shear_flow"),))
    return Job(recipe, MODEL, PUBLISHED.names, root, tmp_path / "deep" / "run", 1)


def test_a_run_that_can_begin_passes_and_nothing_is_made(job, root):
    check_run(job, Shards.open(root, ["shear_flow"]))
    assert not job.run.parent.exists()


def test_a_disk_without_room_for_three_checkpoints_is_refused(job, root, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**6, 10**6 - 10**5, 10**5))
    with pytest.raises(MismatchError, match=r"MB are needed for 3 checkpoints, the disk has 100 kB free"):
        check_run(job, Shards.open(root, ["shear_flow"]))


def test_a_split_that_evaluation_cannot_use_is_refused_at_once(job, root):
    recipe = replace(job.recipe, stream=replace(job.recipe.stream, history_2d=1000))
    with pytest.raises(MismatchError, match=r"shear_flow: the longest test trajectory has \d+ frames"):
        check_run(replace(job, recipe=recipe), Shards.open(root, ["shear_flow"]))


def test_a_file_in_the_way_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    require_writable(tmp_path / "new" / "run")
    with pytest.raises(MismatchError, match="file does not allow it"):
        require_writable(tmp_path / "file" / "run")


def test_a_new_run_that_cannot_be_written_is_refused_before_hours_of_ingest(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr("pipelines.pretraining.ingest_all", lambda *arguments: pytest.fail("ingests"))
    with pytest.raises(MismatchError, match="file does not allow it"):
        pretrain(find_run_recipe("tiny"), tmp_path / "root", tmp_path / "file" / "run")


def test_source_files_that_are_not_there_are_told_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError, match=r"start in the folder .*, or build shear_flow in .*root first"):
        ingest_all(find_run_recipe("tiny").datasets, tmp_path / "root", workers=1)


def test_a_step_that_a_container_would_kill_is_refused(job, root, monkeypatch):
    shards = Shards.open(root, ["shear_flow"])
    monkeypatch.setattr("pipelines.preflight.usable_memory", lambda: 300 * 10**6)
    with pytest.raises(MismatchError, match=r"a step takes about .* on 2 ranks, and this"):
        check_run(replace(job, ranks=2), shards)


def test_a_machine_that_grants_too_little_stops_a_run_before_it_begins(job, root, monkeypatch):
    monkeypatch.setattr("shards.program.checkup.LEAST_FILES", 10**9)
    with pytest.raises(MismatchError, match=r"open files: a process may open .* raise it: ulimit -n"):
        check_run(job, Shards.open(root, ["shear_flow"]))


def test_the_doctor_of_training_needs_no_recipe_and_names_a_gpu_that_torch_cannot_use(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("pipelines.preflight.NVIDIA", tmp_path / "absent")
    well = CliRunner().invoke(app, ["--doctor"])
    assert well.exit_code == 0, well.stdout
    assert "GPUs             none; training uses the CPU" in well.stdout
    monkeypatch.setattr("pipelines.preflight.NVIDIA", tmp_path)
    ill = CliRunner().invoke(app, ["--doctor"])
    assert ill.exit_code == 1
    assert ill.stdout.splitlines()[-1].startswith("GPUs: the machine has a GPU that torch cannot use")
