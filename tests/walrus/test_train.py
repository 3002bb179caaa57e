"""Real runs of the real engine, each in a process of its own: DeepSpeed keeps one world a process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("training_run.py")


def run(root, folder, *options):
    """Losses of a training run; options are those of training_run.py."""
    done = subprocess.run(
        [sys.executable, str(RUN), str(root), str(folder), *map(str, options)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]


def losses(lines):
    return [line["losses"] for line in lines]


@pytest.fixture(scope="module")
def unbroken(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    return run(root, folder), (folder / "weights.safetensors").read_bytes()


def test_two_runs_of_one_seed_have_the_same_losses_and_weights(root, tmp_path, unbroken):
    assert losses(run(root, tmp_path)) == losses(unbroken[0])
    assert (tmp_path / "weights.safetensors").read_bytes() == unbroken[1]


def test_another_seed_has_other_losses(root, tmp_path, unbroken):
    assert losses(run(root, tmp_path, "--seed", 1)) != losses(unbroken[0])


def test_a_run_stopped_and_resumed_equals_the_unbroken_one(root, tmp_path, unbroken):
    first = run(root, tmp_path, "--stop-at", 3)
    assert len(first) == 3
    assert losses(run(root, tmp_path)) == losses(unbroken[0])
    assert (tmp_path / "weights.safetensors").read_bytes() == unbroken[1]


def test_only_the_last_two_checkpoints_are_kept(root, tmp_path):
    run(root, tmp_path, "--stop-at", 4, "--checkpoint-every", 1)
    kept = sorted(path.name for path in (tmp_path / "checkpoints").glob("step-*"))
    assert kept == ["step-0000003", "step-0000004"]
    assert (tmp_path / "checkpoints" / "latest").read_text() == "step-0000004"


def test_event_files_are_written_for_tensorboard(root, tmp_path):
    run(root, tmp_path, "--stop-at", 1)
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))


def test_resuming_on_other_data_is_refused(root, tmp_path):
    run(root, tmp_path, "--stop-at", 1)
    done = subprocess.run(
        [sys.executable, str(RUN), str(root), str(tmp_path), "--tasks", "MHD_64"], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "belongs to another fingerprint and plan" in done.stderr


@pytest.fixture(scope="module")
def alone(root, tmp_path_factory):
    """One rank, AdamW, ZeRO stage 1."""
    return run(root, tmp_path_factory.mktemp("alone"), "--optimizer", "adamw")


@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_two_ranks_have_the_losses_of_one_at_every_zero_stage(root, tmp_path, alone, stage):
    together = run(root, tmp_path, "--ranks", 2, "--stage", stage, "--optimizer", "adamw")
    for ours, theirs in zip(losses(together), losses(alone), strict=True):
        assert ours == pytest.approx(theirs, rel=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 3])
def test_two_ranks_have_the_losses_of_one_with_muon(root, tmp_path, unbroken, stage):
    # Muon makes updates orthogonal in bfloat16, so the order of a sum shows in the fourth digit.
    together = run(root, tmp_path, "--ranks", 2, "--stage", stage)
    for ours, theirs in zip(losses(together), losses(unbroken[0]), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3)
