"""Limits of control groups, in trees of files as Linux shows them in containers and batch jobs."""

import pytest

from shards.program import machine
from shards.program.cgroup import cpu_limit, memory_limit
from shards.program.machine import usable_cores, usable_memory


@pytest.fixture
def process(tmp_path):
    """Makes a process in these groups, with these mounts (root, folder, kind, options) and files."""

    def make(groups, mounts, files):
        def escaped(folder):
            return str(tmp_path / folder).replace(" ", "\\040")

        proc = tmp_path / "proc"
        proc.mkdir()
        (proc / "cgroup").write_text(groups)
        (proc / "mountinfo").write_text(
            "29 1 254:0 / / rw - ext4 /dev/sda rw\n"
            + "".join(
                f"30 29 0:26 {root} {escaped(folder)} rw,nosuid shared:9 - {kind} cgroup {options}\n"
                for root, folder, kind, options in mounts
            )
        )
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return proc

    return make


def test_a_job_of_version_1_is_bounded_by_the_tightest_group_up_to_the_root(process):
    job = process(
        "9:name=systemd:/x\n4:memory:/slurm/job_7/step_0\n1:cpu,cpuacct:/slurm/job_7\n0::/\n",
        [("/", "memory", "cgroup", "rw,memory"), ("/", "cpu", "cgroup", "rw,cpu,cpuacct")],
        {
            "memory/slurm/job_7/step_0/memory.limit_in_bytes": "9223372036854771712\n",
            "memory/slurm/job_7/memory.limit_in_bytes": "2000000000\n",
            "memory/slurm/memory.limit_in_bytes": "64000000000\n",
            "cpu/slurm/job_7/cpu.cfs_quota_us": "150000\n",
            "cpu/slurm/job_7/cpu.cfs_period_us": "100000\n",
            "cpu/slurm/cpu.cfs_quota_us": "-1\n",
            "cpu/slurm/cpu.cfs_period_us": "100000\n",
        },
    )
    assert (memory_limit(job), cpu_limit(job)) == (2_000_000_000, 1.5)


def test_a_container_of_version_2_sees_its_own_group_as_the_top(process):
    inside = process(
        "0::/\n",
        [("/kubepods/pod1", "unified", "cgroup2", "rw")],
        {"unified/memory.max": "3000\n", "unified/memory.high": "max\n", "unified/cpu.max": "50000 100000\n"},
    )
    assert (memory_limit(inside), cpu_limit(inside)) == (3000, 0.5)


def test_a_service_of_version_2_is_slowed_down_from_its_high_mark_on(process):
    service = process(
        "0::/user.slice/run 1.scope\n",
        [("/", "a b", "cgroup2", "rw,nsdelegate")],
        {
            "a b/user.slice/run 1.scope/memory.max": "max\n",
            "a b/user.slice/run 1.scope/cpu.max": "max 100000\n",
            "a b/user.slice/memory.high": "700\n",
        },
    )
    assert (memory_limit(service), cpu_limit(service)) == (700, None)


def test_where_nothing_says_so_there_is_no_limit(process, tmp_path):
    assert memory_limit(tmp_path / "no-proc") is None
    free = process("garbage\n", [("/", "x", "cgroup2", "rw")], {})
    assert (memory_limit(free), cpu_limit(free)) == (None, None)


def test_cores_and_memory_of_a_container_are_those_that_we_use(monkeypatch):
    whole = usable_memory()
    monkeypatch.setattr(machine, "cpu_limit", lambda: 0.7)
    monkeypatch.setattr(machine, "memory_limit", lambda: 10**8)
    assert (usable_cores(), usable_memory()) == (1, 10**8)
    monkeypatch.setattr(machine, "memory_limit", lambda: 2**63)
    assert usable_memory() == whole
