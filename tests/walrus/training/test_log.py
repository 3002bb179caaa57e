import json
import os
import re
import signal
import threading

import pytest

from walrus.training.log import LoggedStep, RunLog, StepRecord, note, read_lines


def progress(step):
    return StepRecord(
        step=step,
        steps=10,
        loss=50.0 - step,
        losses={"flow": 40.0, "wave": 60.0 - 2 * step},
        rate=1e-3,
        norm=2.0,
        windows=6,
        tokens=3072,
        seconds=0.5,
        waited=0.01,
    )


def test_speed_and_waiting_follow_from_the_step():
    assert progress(3).windows_per_second == 12
    assert progress(3).tokens_per_second == 6144
    assert progress(3).waiting == pytest.approx(0.02)


def test_tensorboard_and_the_lines_have_the_same_figures(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with RunLog(tmp_path, 0) as log:
        for step in range(3):
            log.write(progress(step))
    lines = [json.loads(line) for line in (tmp_path / "losses.jsonl").read_text().splitlines()]
    assert [line.pop("crc32c") > 0 for line in lines] == [True] * 3
    assert lines == [progress(step).line for step in range(3)]
    wanted = [LoggedStep(step, progress(step).losses, 0.5, 1e-3, 2.0, 6, 0.01) for step in range(3)]
    assert read_lines(tmp_path / "losses.jsonl", LoggedStep) == wanted
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    for name, value in progress(2).scalars.items():
        last = events.Scalars(name)[-1]
        assert (last.step, last.value) == (2, pytest.approx(value))
    assert {"loss", "task/wave", "speed/tokens per second", "speed/waiting for data"} <= set(
        progress(2).scalars
    )


@pytest.mark.parametrize("rest", ['{"step": 5, "lo', '{"step": 5, "losses": {"flow": 1.0}'])
def test_going_on_drops_the_lines_of_steps_that_will_come_again_and_a_line_cut_off(tmp_path, rest):
    with RunLog(tmp_path, 0) as log:
        for step in range(5):
            log.write(progress(step))
    path = tmp_path / "losses.jsonl"
    path.write_text(path.read_text() + rest)
    with RunLog(tmp_path, 3) as log:
        log.write(progress(3))
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [0, 1, 2, 3]


def test_what_happened_to_a_run_is_kept_in_order(tmp_path):
    note(tmp_path / "run", "begins, ranks: 2")
    note(tmp_path / "run", "goes on at step 5, ranks: 1 instead of 2")
    lines = (tmp_path / "run" / "log.txt").read_text().splitlines()
    assert [line[20:] for line in lines] == ["begins, ranks: 2", "goes on at step 5, ranks: 1 instead of 2"]


def test_damaged_lines_are_left_out_and_counted(tmp_path, capsys):
    path = tmp_path / "losses.jsonl"
    whole = b'{"step": 0, "losses": {"flow": 1}, "seconds": 2, "later": null}\n'
    changes = ((b"0", b'"x"'), (b"losses", b"lesses"), (b": 1", b": [1]"))
    wrong = [whole.replace(old, new) for old, new in changes]
    path.write_bytes(b"".join([whole, b"not json\n\xff\xfe\n[1]\n", *wrong, whole, b'{"step": 2']))
    assert [line.step for line in read_lines(path, LoggedStep)] == [0, 0]
    said = capsys.readouterr().err
    assert "6 damaged lines are left out" in said
    assert "the last line is incomplete: its run was killed, or is writing it; it is left out" in said


def test_a_run_that_was_killed_while_it_wrote_a_line_has_no_damage(tmp_path, capsys):
    with RunLog(tmp_path, 0) as log:
        log.write(progress(0))
        log.write(progress(1))
    path = tmp_path / "losses.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert [line.step for line in read_lines(path, LoggedStep)] == [0]
    said = capsys.readouterr().err
    assert "incomplete" in said
    assert "damaged" not in said


def test_a_flipped_bit_of_a_line_is_reported_or_without_effect(tmp_path, capsys):
    with RunLog(tmp_path, 0) as log:
        for step in range(2):
            log.write(progress(step))
    path = tmp_path / "losses.jsonl"
    text, whole = path.read_bytes(), read_lines(path, LoggedStep)
    for place in range(0, 8 * len(text), 3):
        flipped = bytearray(text)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        found = read_lines(path, LoggedStep)
        # Without its end a line looks as if the run was killed.
        assert found == whole or re.search("damaged|incomplete", capsys.readouterr().err), place
        assert all(line in whole for line in found), place


def test_records_that_cannot_be_written_are_told_once_and_end_nothing(tmp_path, capsys):
    (tmp_path / "tensorboard").touch()
    (tmp_path / "losses.jsonl").mkdir()
    (tmp_path / "log.txt").mkdir()
    with RunLog(tmp_path, 0) as log:
        for step in range(3):
            log.write(progress(step))
    note(tmp_path, "begins")
    told = capsys.readouterr().err
    for name in ("tensorboard", "losses.jsonl", "log.txt"):
        assert told.count(f"{name}: failed (") == 1


def test_a_full_disk_in_the_thread_of_tensorboard_is_one_sentence(tmp_path, capsys, monkeypatch):
    traces = []
    monkeypatch.setattr(threading, "excepthook", traces.append)
    with RunLog(tmp_path, 0) as log:
        # In one step: the thread may write a file at any moment.
        (tmp_path / "tensorboard").rename(tmp_path / "moved")
        (tmp_path / "tensorboard").touch()
        for step in range(3):
            log.write(progress(step))
            log.figures.do(log.events.flush)
    assert capsys.readouterr().err.count("tensorboard: failed (") == 1
    assert traces == []


def test_a_full_disk_ends_the_file_of_losses_and_not_the_run(tmp_path, capsys):
    with RunLog(tmp_path, 0) as log:
        log.file.close()
        log.file = open("/dev/full", "a")  # noqa: SIM115
        for step in range(3):
            log.write(progress(step))
    assert capsys.readouterr().err.count("losses.jsonl: failed (") == 1


class InterruptedEvents:
    """A writer for TensorBoard that gets Ctrl-C while it writes the first number."""

    def __init__(self):
        self.written = []

    def add_scalar(self, name, value, step):
        if not self.written:
            os.kill(os.getpid(), signal.SIGINT)
        self.written.append(name)

    def close(self):
        pass


def test_ctrl_c_waits_until_a_step_is_written(tmp_path):
    # A job in the background ignores Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with RunLog(tmp_path, 0) as log:
            log.events.close()
            log.events = InterruptedEvents()
            with pytest.raises(KeyboardInterrupt):
                log.write(progress(1))
    finally:
        signal.signal(signal.SIGINT, before)
    assert log.events.written == list(progress(1).scalars)
