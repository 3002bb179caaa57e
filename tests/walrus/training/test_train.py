"""Real runs of the real engine, each in a process of its own: DeepSpeed keeps one world per process."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.walrus.training.own_process import run_script

RUN = Path(__file__).with_name("training_run.py")


def call(root, folder, *options):
    """A training run in a process of its own; options are those of training_run.py."""
    return run_script(RUN, root, folder, *options)


def run(root, folder, *options):
    """The lines of the losses of a training run that ends well."""
    done = call(root, folder, *options)
    assert done.returncode == 0, done.stderr
    return lines(folder)


def lines(folder):
    return [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]


def checkpoints(folder):
    return sorted(path.name for path in (folder / "checkpoints").iterdir())


def losses(lines):
    return [line["losses"] for line in lines]


@pytest.fixture(scope="module")
def unbroken(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    return run(root, folder), (folder / "weights.safetensors").read_bytes()


@pytest.fixture(scope="module")
def averaged(root, tmp_path_factory):
    """The folder of the same with an average of the weights, and a trace."""
    folder = tmp_path_factory.mktemp("averaged")
    run(root, folder, "--ema", 0.5, "--checkpoint-every", 3, "--trace", folder / "trace")
    return folder


@pytest.fixture
def cut_off(averaged, tmp_path):
    """That run as if it had been killed while it wrote its second checkpoint, after six steps."""
    folder = tmp_path / "cut-off"
    shutil.copytree(averaged, folder)
    begun = (folder / "checkpoints" / "step-0000006").rename(folder / "checkpoints" / ".tmp-step-0000006")
    (begun / "checkpoint.json").unlink()
    (folder / "weights.safetensors").unlink()
    return folder


def test_an_average_of_the_weights_leaves_the_losses_and_takes_the_place_of_the_weights(unbroken, averaged):
    assert losses(lines(averaged)) == losses(unbroken[0])
    assert (averaged / "weights.safetensors").read_bytes() != unbroken[1]


def test_a_trace_shows_the_steps(averaged):
    events = json.loads((averaged / "trace" / "rank-00000.json").read_text())["traceEvents"]
    names = {event["name"] for event in events}
    assert {"ProfilerStep#2", "ProfilerStep#4"} <= names
    assert "aten::scaled_dot_product_attention" in names


def test_every_line_has_the_speed_and_the_wait(unbroken):
    for line in unbroken[0]:
        # Two micro-batches of two windows, three frames of 8 x 8 tokens or more each.
        assert line["windows"] == 4
        assert line["tokens"] >= 4 * 3 * 64
        assert 0 <= line["waited"] < line["seconds"]
        assert line["norm"] > 0


def test_two_runs_of_one_seed_have_the_same_losses_and_weights(root, tmp_path, unbroken):
    assert losses(run(root, tmp_path)) == losses(unbroken[0])
    assert (tmp_path / "weights.safetensors").read_bytes() == unbroken[1]


def test_another_seed_has_other_losses(root, tmp_path, unbroken):
    assert losses(run(root, tmp_path, "--seed", 1)) != losses(unbroken[0])


def test_a_run_killed_in_a_checkpoint_goes_on_from_the_one_before_and_equals_the_unbroken_one(
    root, averaged, cut_off
):
    assert losses(run(root, cut_off, "--ema", 0.5)) == losses(lines(averaged))
    assert (cut_off / "weights.safetensors").read_bytes() == (averaged / "weights.safetensors").read_bytes()
    assert checkpoints(cut_off) == ["step-0000003", "step-0000006"]


def test_a_schedule_that_ended_before_the_checkpoint_is_refused(root, averaged, tmp_path):
    shutil.copytree(averaged / "checkpoints", tmp_path / "checkpoints")
    done = call(root, tmp_path, "--ema", 0.5, "--stop-at", 2)
    assert done.returncode != 0
    assert "its checkpoint at step 6 is beyond the last step, 2" in done.stderr


@pytest.mark.slow
def test_a_run_with_early_stopping_killed_before_it_kept_the_best_weights_takes_them_from_the_checkpoint(
    root, tmp_path
):
    run(root, tmp_path, "--early-stopping", 3)
    best = tmp_path / "best.safetensors"
    unbroken = load_file(best)
    seen = [json.loads(line) for line in (tmp_path / "validation.jsonl").read_text().splitlines()]
    step = min(seen, key=lambda line: line["error"])["step"]
    for folder in (tmp_path / "checkpoints").iterdir():
        if folder.name != f"step-{step:07d}":
            shutil.rmtree(folder)
    best.unlink()
    run(root, tmp_path, "--early-stopping", 3)
    # The header of safetensors holds its remarks in no order: its bytes may differ.
    again = load_file(best)
    assert again.keys() == unbroken.keys()
    assert all(torch.equal(again[name], unbroken[name]) for name in unbroken)


def test_only_the_last_two_checkpoints_are_kept(root, tmp_path):
    run(root, tmp_path, "--stop-at", 4, "--checkpoint-every", 1)
    assert checkpoints(tmp_path) == ["step-0000003", "step-0000004"]


def test_event_files_are_written_for_tensorboard(root, tmp_path):
    run(root, tmp_path, "--stop-at", 1)
    assert list((tmp_path / "tensorboard").glob("events.out.tfevents.*"))


def test_resuming_on_other_data_is_refused(root, tmp_path):
    run(root, tmp_path, "--stop-at", 1)
    done = call(root, tmp_path, "--tasks", "MHD_64")
    assert done.returncode != 0
    assert "its checkpoint at step 1 has another data (acoustic_scattering_discontinuous" in done.stderr


def test_a_run_that_diverges_names_the_windows_and_keeps_losses_and_checkpoint_of_before(root, tmp_path):
    # The first step makes every weight huge.
    done = call(root, tmp_path, "--rate", 1e30, "--checkpoint-every", 1)
    assert done.returncode != 0
    assert re.search(
        r"step 1, micro-batch 2 of \S+ \(training .* \d+:\d+\+\d, .*\): the loss is (nan|inf)", done.stderr
    )
    assert [line["step"] for line in lines(tmp_path)] == [0]
    assert checkpoints(tmp_path) == ["step-0000001"]


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


@pytest.mark.slow
def test_two_groups_of_one_rank_each_have_the_losses_of_one(root, tmp_path, alone):
    options = ("--ranks", 2, "--groups", 2, "--stage", 3, "--shard", 1, "--optimizer", "adamw")
    for ours, theirs in zip(losses(run(root, tmp_path, *options)), losses(alone), strict=True):
        assert ours == pytest.approx(theirs, rel=2e-5)


@pytest.mark.slow
def test_two_ranks_told_to_stop_agree_on_the_step_and_one_rank_goes_on(root, tmp_path, alone):
    done = call(root, tmp_path, "--ranks", 2, "--stage", 3, "--optimizer", "adamw", "--signal-at", 1)
    assert done.returncode != 0
    assert "stopped by a signal after step 2; the same command continues" in done.stderr
    assert checkpoints(tmp_path) == ["step-0000002"]
    # Under another stage at that: the checkpoint knows neither stage nor ranks.
    for ours, theirs in zip(losses(run(root, tmp_path, "--optimizer", "adamw")), losses(alone), strict=True):
        assert ours == pytest.approx(theirs, rel=2e-5)


@pytest.mark.slow
def test_one_rank_goes_on_as_two_with_the_momentum_of_muon(root, cut_off, unbroken):
    for ours, theirs in zip(
        losses(run(root, cut_off, "--ema", 0.5, "--ranks", 2)), losses(unbroken[0]), strict=True
    ):
        assert ours == pytest.approx(theirs, rel=1e-3)


@pytest.mark.slow
def test_half_precision_products_stay_near_single_precision(root, tmp_path, alone):
    half = run(root, tmp_path, "--optimizer", "adamw", "--autocast", "bfloat16")
    for ours, theirs in zip(losses(half), losses(alone), strict=True):
        assert ours == pytest.approx(theirs, rel=2e-2)
    assert losses(half) != losses(alone)
