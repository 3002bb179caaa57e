"""A run as a scheduler starts it: stopped by a signal, and gone on under a launcher."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.walrus.training.own_process import RunningScript

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "launching.md"
PRETRAIN = "from pipelines.pretrain import main; main()"
STEPS = 16
RECIPE = f"""
title = "two systems"
model = "tiny"
datasets = [{{ name = "acoustic_scattering_discontinuous" }}, {{ name = "MHD_64" }}]
size = {{ hidden = 32, blocks = 1, heads = 2, inner = 4 }}
[stream]
micro_batches = 2
history_2d = 3
history_3d = 3
windows_3d = 2
largest_stride = 1
[schedule]
epochs = {STEPS}
steps_an_epoch = 1
warm_up = 1
cool_down = 1
[evaluation]
start = 3
longest = 4
"""


@pytest.fixture
def options(root, tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return [tmp_path / "recipe.toml", "--root", root, "--out", tmp_path / "run"]


def started(command, **environment):
    """The command as a process."""
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )


def forked(*options, group=False, **environment):
    """The command walrus-pretrain as a process that need not load torch: it is forked from one that has."""
    script = Path(__file__).with_name("command_run.py")
    return RunningScript(script, "pretrain", *options, folder=REPOSITORY, group=group, variables=environment)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def of_pods(number, others):
    """The command of the pods of Job `number` of the page, with other words for some of its words."""
    pages = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    jobs = [part for page in pages for part in yaml.safe_load_all(page) if part["kind"] == "Job"]
    (container,) = jobs[number]["spec"]["template"]["spec"]["containers"]
    words = container["command"]
    assert others.keys() <= set(words)
    command = []
    for word in words:
        command += others.get(word, [word])
    return command


@pytest.mark.slow
def test_pods_told_to_stop_ask_to_be_started_again_and_those_of_two_machines_go_on(root, tmp_path):
    """The commands of the Kubernetes Jobs of docs/launching.md, which Kubernetes would run in pods."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    losses = tmp_path / "run" / "losses.jsonl"
    run = [tmp_path / "run"]
    places = {"/data/shards": [root], "walrus-pretrain": []}
    first = forked(*of_pods(0, {**places, "half": [recipe], "/data/runs/half": run, "8": ["2"]}))
    while first.poll() is None and not (losses.is_file() and losses.read_text()):
        time.sleep(0.02)
    first.send_signal(signal.SIGTERM)
    _, told = first.communicate()
    # The Job does not count a pod that ends so.
    assert first.returncode == 75, told
    assert "the same command continues" in told
    (checkpoint,) = (tmp_path / "run" / "checkpoints").iterdir()
    stopped = int(checkpoint.name.removeprefix("step-"))
    assert 0 < stopped < STEPS

    others = {
        "/data/shards": [root],
        "walrus-pretrain": [sys.executable, "-c", PRETRAIN],
        "torchrun": [sys.executable, "-m", "torch.distributed.run"],
        "walrus-0.walrus-ranks:29500": [f"127.0.0.1:{free_port()}"],
        "walrus": [recipe, "--json"],
        "/data/runs/walrus": run,
        # Machines, ranks of each, groups of ranks.
        "12": ["2"],
        "8": ["1"],
        "24": ["1"],
    }
    pods = [started(of_pods(1, others)) for _ in range(2)]
    outputs = [each.communicate() for each in pods]
    assert [each.returncode for each in pods] == [0, 0], outputs
    # One of the two pods has rank 0, which alone evaluates.
    (scores,) = [output for output, _ in outputs if output]
    assert json.loads(scores).keys() == {"acoustic_scattering_discontinuous", "MHD_64"}
    assert [json.loads(line)["step"] for line in losses.read_text().splitlines()] == list(range(STEPS))
    log = (tmp_path / "run" / "log.txt").read_text()
    assert f"stopped by a signal after step {stopped}" in log
    assert f"goes on at step {stopped}, ranks: 2" in log


def test_ranks_beside_a_launcher_are_refused_in_one_line(options):
    alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29501"}
    done = forked(*options, "--ranks", 2, **alone)
    _, told = done.communicate()
    assert done.returncode == 1
    assert told.splitlines()[-1].endswith("a launcher has set 1 ranks; leave --ranks out")


def wait_for(path, process):
    while process.poll() is None and not path.exists():
        time.sleep(0.02)


@pytest.mark.slow
def test_two_ranks_told_to_stop_before_their_first_step_ask_to_be_requeued_too(options, tmp_path):
    process = forked(*options, "--ranks", 2)
    wait_for(tmp_path / "run" / "running.json", process)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate()
    assert process.returncode == 75, told
    assert "Traceback" not in told
    assert not (tmp_path / "run" / "running.json").exists()


INGEST = RECIPE.replace(
    '{ name = "MHD_64" }', '{ name = "MHD_64", path = "tests/samples/well/MHD_64" }'
).replace('{ name = "acoustic_scattering_discontinuous" }, ', "")


@pytest.mark.slow
def test_one_rank_told_to_stop_in_ingest_or_before_its_first_step_asks_to_be_requeued_too(tmp_path):
    """A scheduler signals every process of the run, also those of the ingest."""
    (tmp_path / "recipe.toml").write_text(INGEST)
    command = (tmp_path / "recipe.toml", "--root", tmp_path / "root", "--out", tmp_path / "run")
    for moment in ("root/MHD_64/parts/lock", "run/running.json"):
        process = forked(*command, group=True)
        wait_for(tmp_path / moment, process)
        os.killpg(process.pid, signal.SIGTERM)
        _, told = process.communicate()
        assert process.returncode == 75, told
        # The first step may end before the signal comes.
        said = r"stopped by (SIGTERM; the same command starts again|a signal after step 1; .* continues)$"
        assert re.search(said, told.splitlines()[-1])
        assert "Traceback" not in told
    assert not (tmp_path / "run" / "running.json").exists()


@pytest.mark.slow
def test_an_interrupt_ends_all_ranks_within_seconds_and_without_a_trace(options, tmp_path):
    """A terminal sends Ctrl-C to every process."""
    process = forked(*options, "--ranks", 2, "--set", "training.checkpoint_every=1", group=True)
    wait_for(tmp_path / "run" / "checkpoints" / "step-0000001", process)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert time.monotonic() - began < 10
    assert "Traceback" not in told
    assert "interrupted; no partial files remain; run the same command again" in told
    assert "the same command continues after step-00000" in told
    assert (tmp_path / "run" / "log.txt").read_text().endswith("ended: interrupted\n")


@pytest.mark.slow
def test_ranks_that_cannot_meet_or_lose_one_another_say_so_in_one_line(options, tmp_path):
    def launched(rank, port):
        world = {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        return forked(*options, **world)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        early = launched(0, port)
        _, told = early.communicate()
    assert early.returncode == 1
    assert "Traceback" not in told
    assert f"MASTER_PORT={port}: rank 0 of 2 cannot connect to the others" in told.splitlines()[-1]
    first, second = (launched(rank, port) for rank in range(2))
    wait_for(tmp_path / "run" / "losses.jsonl", first)
    second.kill()
    second.communicate()
    _, told = first.communicate(timeout=60)
    assert first.returncode == 1, told
    assert "Traceback" not in told
    assert "another rank has ended or does not answer" in told.splitlines()[-1]


@pytest.mark.slow
def test_ranks_end_with_the_process_that_started_them(options, tmp_path):
    process = started([sys.executable, "-c", PRETRAIN, *options, "--ranks", 2])
    wait_for(tmp_path / "run" / "losses.jsonl", process)
    ranks = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(ranks) >= 2
    process.kill()
    # Both streams end only when no rank has them open any more.
    process.communicate(timeout=60)
