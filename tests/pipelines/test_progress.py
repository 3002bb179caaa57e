import io

from rich.console import Console

from pipelines.progress import RunningMeans, progress
from walrus.training.log import StepRecord


def step(number, loss, seconds=2.0):
    return StepRecord(number, 100, loss, {"flow": loss, "wave": 10.0}, 1e-3, 1.0, 8, 4096, seconds, 0.1)


def test_speed_waiting_and_the_time_left_are_told():
    means = RunningMeans()
    means.add(step(9, 50.0))
    assert (
        means.figures(step(9, 50.0)) == "4.0 windows/s, 2,048 tokens/s, 5.0 % waiting for data, 0:03:00 left"
    )
    assert means.losses == "flow 50.00, wave 10.00"


def test_a_single_slow_step_hardly_moves_the_figures():
    means = RunningMeans()
    for number in range(20):
        means.add(step(number, 50.0))
    means.add(step(20, 60.0, seconds=4.0))
    assert means.losses == "flow 51.00, wave 10.00"
    assert means.of_step["seconds"] == 2.2


def test_where_there_is_no_terminal_a_line_comes_at_the_start_and_now_and_then(capfd):
    with progress() as report:
        for number in range(100):
            report(step(number, 50.0))
    lines = capfd.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"step {done} of 100" for done in (1, 10, 50, 100)]
    assert "loss 50.00 (flow 50.00, wave 10.00), 4.0 windows/s" in lines[0]


def test_only_the_rank_that_reports_has_a_bar_on_the_terminal(monkeypatch):
    def drawn(shown):
        terminal = Console(file=io.StringIO(), force_terminal=True)
        monkeypatch.setattr("pipelines.progress.stderr", terminal)
        with progress(shown=shown):
            pass
        return terminal.file.getvalue()

    assert "training" in drawn(True)
    assert drawn(False) == ""


def test_a_terminal_that_fails_ends_no_step(monkeypatch, capsys):
    class Broken(io.StringIO):
        def write(self, text):
            raise UnicodeEncodeError("ascii", text, 0, 1, "ordinal not in range")

    said = []
    monkeypatch.setattr("pipelines.progress.stderr", Console(file=Broken(), force_terminal=True))
    monkeypatch.setattr("shards.program.side_task.say", said.append)
    with progress() as report:
        for number in range(3):
            report(step(number, 50.0))
    (line,) = said
    assert line.startswith("progress: failed (")
