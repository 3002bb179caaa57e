import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from shards.errors import StoppedError
from shards.program.signals import noticed, passed_on, stopping, uninterrupted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_is_noted_and_afterwards_handled_as_before(number):
    before = signal.getsignal(number)
    with noticed() as notice:
        assert notice.signal is None
        os.kill(os.getpid(), number)
        assert notice.signal == number
    assert signal.getsignal(number) == before


@pytest.fixture
def ctrl_c():
    """Ctrl-C as a terminal handles it; a job in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_waits_for_the_end_of_short_work_but_a_second_one_does_not(ctrl_c):
    done = []

    def work(times):
        with uninterrupted():
            for _ in range(times):
                ctrl_c()
            done.append(times)

    for times in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            work(times)
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    assert done == [1]


def test_work_of_one_process_is_left_at_once():
    before = signal.getsignal(signal.SIGUSR1)
    with pytest.raises(StoppedError, match="stopped by SIGUSR1; the same command starts again"), stopping():
        os.kill(os.getpid(), signal.SIGUSR1)
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_signal_is_passed_on_to_the_ranks_even_where_one_has_ended():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    ranks = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    with passed_on() as relay:
        relay.to([ended.pid, *(rank.pid for rank in ranks)])
        os.kill(os.getpid(), signal.SIGTERM)
    assert [rank.wait(5) for rank in ranks] == [-signal.SIGTERM] * 2


def test_a_signal_that_comes_before_the_ranks_are_started_is_passed_on_when_they_are():
    with passed_on() as relay:
        os.kill(os.getpid(), signal.SIGTERM)
        rank = subprocess.Popen(["sleep", "60"])
        relay.to([rank.pid])
    assert rank.wait(5) == -signal.SIGTERM


COMMANDS = ("ingest.cli", *(f"pipelines.{name}" for name in ("pretrain", "finetune", "evaluate", "forecast")))
# Gets a signal as soon as typer, the first large package, is asked for.
EARLY = """
import importlib, os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGUSR1)
sys.meta_path.insert(0, Finder())
sys.argv = [sys.argv[2]]
importlib.import_module("MODULE")
"""


@pytest.mark.parametrize("module", [*COMMANDS, "pipelines.convert"])
def test_a_signal_while_a_command_is_loaded_ends_it_as_one_that_is_to_be_started_again(module):
    program = [sys.executable, "-c", EARLY.replace("MODULE", module), "-"]
    ended = subprocess.run([*program, "/opt/bin/walrus-command"], capture_output=True, text=True)
    told = "walrus-command: stopped by SIGUSR1; the same command starts again\n"
    assert (ended.returncode, ended.stderr) == (75, told)


def test_who_only_imports_a_command_keeps_its_own_signals():
    program = [sys.executable, "-c", EARLY.replace("MODULE", "ingest.cli"), "-", "a-notebook"]
    assert subprocess.run(program).returncode == -signal.SIGUSR1


def test_who_handles_errors_of_files_does_not_take_a_signal_for_one():
    """StoppedError is an OSError; a file that was read when the signal came must not count as broken."""

    def read_a_file():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Exception:
            pytest.fail("took the signal for an error")

    with pytest.raises(StoppedError), stopping():
        read_a_file()


def test_a_second_signal_does_not_disturb_the_end_of_the_work():
    tidied = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGUSR1)
            tidied.append(True)

    with pytest.raises(StoppedError, match="SIGTERM"), stopping():
        work()
    assert tidied


ORPHAN = """
import os, sys, time
from shards.program.signals import end_with_parent
parent = os.getppid()
print(os.getpid(), flush=True)
end_with_parent(parent)
time.sleep(60)
"""


def test_a_process_ends_with_its_parent_however_that_ends():
    start = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {ORPHAN!r}]); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    time.sleep(1)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child outlived its parent")


def test_a_signal_that_a_library_swallows_reaches_whoever_handles_signals_next():
    def library():
        with suppress(BaseException):
            os.kill(os.getpid(), signal.SIGTERM)

    with stopping():
        library()
        with noticed() as notice:
            assert notice.signal == signal.SIGTERM
        with passed_on() as relay:
            assert relay.came == [signal.SIGTERM]


def test_a_signal_that_comes_while_python_ends_does_not_kill_a_command_that_is_done(tmp_path):
    command = tmp_path / "walrus-done"
    command.write_text(
        "import os, signal\n"
        "import shards.program.starting\n"
        "class Last:\n"
        "    kill, process, number = os.kill, os.getpid(), signal.SIGUSR1\n"
        "    def __del__(self):\n"
        "        type(self).kill(self.process, self.number)\n"
        "last = Last()\n"
    )
    assert subprocess.run([sys.executable, str(command)]).returncode == 0
