"""What a command prints when the machine fails it: one line, the right exit code, no trace."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shards.program.console import say
from shards.system_errors import CURES

NOTEBOOK = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}

# A command that fails as its argument says.
PROGRAM = """
import os, sys
from shards.program.console import application, one_line_errors, print_json, say
app = application("Fails.")
@app.command()
def fail(kind: str):
    with one_line_errors("walrus-test"):
        if kind == "print":
            for _ in range(200):
                print_json(list(range(2000)))
        elif kind == "say":
            for number in range(2000):
                say(f"line {number}")
            print_json("went on")
        elif kind == "draw":
            from shards.drawing.canvas import Page
            print_json(len(Page(1, 1).png()))
        elif kind == "memory":
            raise MemoryError
        elif kind == "threads":
            raise RuntimeError("can't start new thread")
        elif kind == "bug":
            raise OSError(9, "Bad file descriptor")
        else:
            raise OSError(int(kind), os.strerror(int(kind)), "/data/own")
app()
"""


def run(kind: object, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", PROGRAM, str(kind)], text=True, check=False, **options)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.ESTALE, errno.EMFILE])
def test_an_error_of_the_machine_is_one_line_with_the_cure(number):
    done = run(number, capture_output=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"walrus-test: /data/own: {os.strerror(number)}; {CURES[number]}\n"


def test_too_little_memory_or_too_few_threads_are_one_line_and_a_bug_keeps_its_trace():
    assert run("memory", capture_output=True).stderr.startswith("walrus-test: there is not enough memory")
    assert "; the limit of processes or memory is reached" in run("threads", capture_output=True).stderr
    assert "Traceback" in run("bug", capture_output=True).stderr


def test_a_reader_who_has_seen_enough_ends_the_command_without_a_word(tmp_path):
    program = f'"{sys.executable}" -c "$PROGRAM" print 2> {tmp_path}/said'
    shell = f"{{ {program}; echo $? > {tmp_path}/code; }} | head -c 9"
    subprocess.run(
        ["bash", "-c", shell], check=True, capture_output=True, env=os.environ | {"PROGRAM": PROGRAM}
    )
    assert Path(tmp_path, "said").read_text() == ""
    assert Path(tmp_path, "code").read_text() == "141\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_below_stdout_is_one_line_and_below_stderr_it_ends_nothing():
    with open("/dev/full", "w") as full:
        done = run("print", stdout=full, stderr=subprocess.PIPE)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "No space left on device; free space" in done.stderr
        assert run("say", stdout=subprocess.PIPE, stderr=full).stdout == '"went on"\n'


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
@pytest.mark.parametrize("module", ["ingest.cli", "pipelines.convert"])
def test_help_that_cannot_be_printed_is_one_line_or_none(module):
    command = f"{sys.executable} -m {module} --help"
    done = subprocess.run(["bash", "-c", f"{command} > /dev/full"], capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert "No space left on device; free space" in done.stderr
    shell = f"{{ {command}; echo $? >&2; }} | true"
    assert subprocess.run(["bash", "-c", shell], capture_output=True, text=True).stderr == "141\n"


def test_a_closed_stream_never_gives_its_number_to_a_file_of_ours(tmp_path):
    program = (
        "import shards.program.starting, os, sys; file = open(sys.argv[1], 'w');"
        "os.write(1, b'printed'), os.write(2, b'printed'), print('printed'); os._exit(file.fileno())"
    )
    shell = f'exec "{sys.executable}" -c "{program}" {tmp_path}/file <&- >&- 2>&-'
    assert subprocess.run(["bash", "-c", shell]).returncode > 2
    assert (tmp_path / "file").read_text() == ""


def test_progress_that_nobody_reads_ends_nothing(tmp_path):
    shell = f'"{sys.executable}" -c "$PROGRAM" say 2>&1 > {tmp_path}/result | head -n 1'
    subprocess.run(
        ["bash", "-c", shell], check=True, capture_output=True, env=os.environ | {"PROGRAM": PROGRAM}
    )
    assert Path(tmp_path, "result").read_text() == '"went on"\n'


def test_the_drawing_program_of_a_notebook_does_not_disturb_a_command():
    done = run("draw", capture_output=True, env=os.environ | NOTEBOOK)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 100


def test_a_line_of_progress_is_printed_letter_by_letter(capfd):
    say("run_1.h5:x: shape (11,), [bold] and 3")
    assert capfd.readouterr().err == "run_1.h5:x: shape (11,), [bold] and 3\n"
