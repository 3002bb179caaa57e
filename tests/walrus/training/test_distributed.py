import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from shards.errors import MismatchError
from tests.walrus.training.own_process import run_script
from walrus.training.distributed import LauncherRank, loopback

NAMES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture
def environment(monkeypatch):
    def put(*values):
        for name, value in zip(NAMES, values, strict=True):
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)

    return put


def test_a_launcher_names_the_rank(environment):
    environment("3", "8", "node-0", "29500")
    assert LauncherRank.find() == LauncherRank(3, 8)


def test_without_a_launcher_there_is_none(environment):
    environment(None, None, "node-0", "29500")
    assert LauncherRank.find() is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (("0", None, "node-0", "29500"), "RANK, MASTER_ADDR, MASTER_PORT without WORLD_SIZE"),
        (("0", "2", None, None), "without MASTER_ADDR, MASTER_PORT"),
        (("one", "2", "node-0", "29500"), "RANK=one, WORLD_SIZE=2; expected numbers"),
        (("2", "2", "node-0", "29500"), "RANK=2 of WORLD_SIZE=2; expected 0 to 1"),
    ],
)
def test_half_a_launcher_is_refused(environment, values, words):
    environment(*values)
    with pytest.raises(MismatchError, match=words):
        LauncherRank.find()


@pytest.mark.parametrize(
    ("names", "expected"),
    [(("eth0", "lo"), "lo"), (("lo0", "gif0", "en0"), "lo0"), (("eth0",), "lo")],
)
def test_the_loopback_has_the_name_of_the_system(monkeypatch, names, expected):
    monkeypatch.setattr(socket, "if_nameindex", lambda: list(enumerate(names, 1)))
    assert loopback() == expected


def test_ranks_meet_at_a_file_of_any_name(tmp_path):
    """TMPDIR=/scratch/job#12: as part of a URL the name would end at the sign."""
    meeting = tmp_path / "job#12?100%" / "meeting"
    meeting.parent.mkdir()
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from walrus.training.distributed import join_world, leave_world, sum_over_ranks\n"
        "join_world(int(sys.argv[1]), 2, Path(sys.argv[2]))\n"
        "print(sum_over_ranks([1.5]))\n"
        "leave_world()\n"
    )
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(rank), str(meeting)],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for rank in range(2)
    ]
    # Some versions of gloo print as well.
    assert [rank.communicate(timeout=60)[0].splitlines()[-1] for rank in ranks] == ["[3.0]", "[3.0]"]
    assert [path.name for path in tmp_path.iterdir()] == ["job#12?100%"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seconds", "busy", "codes"),
    [(30, "reads", "[0, 0]"), (1, "reads", "[1, 1]"), (1, "evaluates", "[0, 0]")],
)
def test_a_rank_that_reads_is_waited_for_as_long_as_said_and_one_that_evaluates_by_nobody(
    seconds, busy, codes
):
    ended = run_script(Path(__file__).with_name("waits_run.py"), seconds, busy)
    *told, last = ended.stdout.splitlines()
    assert last == codes, ended.stderr
    assert any("another rank has ended or does not answer" in line for line in told) == (codes == "[1, 1]")
