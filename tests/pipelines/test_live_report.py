"""RUN/report.html while a run trains: at intervals, and when it ends; a failure costs the page alone."""

import json
from types import SimpleNamespace

import pytest

from pipelines.live_report import LiveReport, in_turn, live_report
from walrus.training.log import LOSSES, StepRecord


def step(number):
    return StepRecord(number, 20, 30.0, {"flow": 30.0}, 1e-3, 1.0, 8, 4096, 2.0, 0.1)


@pytest.fixture
def run(tmp_path):
    """A run of three steps, and one validation."""
    (tmp_path / LOSSES).write_text("".join(json.dumps(step(number).line) + "\n" for number in range(3)))
    (tmp_path / "validation.jsonl").write_text('{"step": 2, "error": 0.5}\n')
    return tmp_path


@pytest.fixture
def job(run):
    recipe = SimpleNamespace(title="A run", datasets=[SimpleNamespace(name="shear_flow")])
    return SimpleNamespace(recipe=recipe, run=run, ranks=1)


def test_a_page_is_written_when_it_is_due_and_then_waits(run):
    page = LiveReport(run, (), "A run")
    page.add(step(0))
    assert not (run / "report.html").exists()
    page.due = 0.0
    page.add(step(1))
    text = (run / "report.html").read_text("utf-8")
    assert "Step <b>2 of 20</b>: 4.0 windows/s, 2,048 tokens/s, 5.0 % waiting for data, 0:00:36 left." in text
    assert text.count("data:image/png") == 2
    assert 'http-equiv="refresh" content="30"' in text
    (run / "report.html").unlink()
    page.add(step(2))
    assert not (run / "report.html").exists()


def test_the_last_page_says_that_the_run_has_ended_even_by_an_error(job, run):
    def interrupted():
        with live_report(job, shown=True) as report:
            in_turn(report, report)(step(4))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    text = (run / "report.html").read_text("utf-8")
    assert "Step <b>5 of 20</b>; the training has stopped, and log.txt says why." in text
    assert 'http-equiv="refresh"' not in text


def test_a_page_that_cannot_be_written_costs_the_page_alone(job, run, capsys):
    (run / "report.html").mkdir()
    with live_report(job, shown=True) as report:
        report(step(4))
    with live_report(job, shown=False) as report:
        report(step(4))
    assert capsys.readouterr().err.count("report.html: failed (") == 1
