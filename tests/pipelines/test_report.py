"""The report is one file that needs nothing else, says what the scores say and trusts no string."""

import base64
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.report import Result, Run, count, duration, write_report
from shards.spec import Boundary, Grid
from walrus.forecast import Forecast, one_step_errors, rollout_errors, scores
from walrus.picture import Curve

VOID = {"meta", "img"}


class Page(HTMLParser):
    """Collects tags, text, pictures and links, and checks that every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.best: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append("best" if ("class", "best") in attrs else tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().replace("best", "td") == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "best":
            self.best.append(data)
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def values(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]


def result(task: str, damping: float) -> Result:
    frames = np.random.default_rng(2).normal(size=(9, 2, 6, 4)).cumsum(0)
    forecast = Forecast(
        task,
        "run-00000",
        ("u", "v"),
        Grid(("x", "y"), (tuple(range(6)), tuple(range(4)))),
        ((Boundary.WALL, Boundary.OPEN), (Boundary.PERIODIC,) * 2),
        np.arange(5.0),
        frames[:4],
        frames[4:],
        damping * frames[4:],
    )
    rollout = rollout_errors(forecast)
    one_step = one_step_errors(frames, damping * frames[4:])
    return Result(scores(task, ("u", "v"), [one_step], [rollout]), forecast, "u", (rollout,), 4)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    run = Run('Pretraining <script>alert("1")</script>', (("recipe", "tiny & <small>"), ("steps", count(2000))))
    results = [result("calm_flow", 0.99), result("<b>wild</b>", -30.0)]
    write_report(path, run, results, [Curve("calm_flow", [1, 2, 3], [9.0, 7.0, 5.0])])
    return path.read_text("utf-8")


def test_the_report_is_well_formed_and_needs_nothing_else(report: str) -> None:
    page = Page(report)
    assert page.open == []
    assert all(value.startswith("data:image/") for value in page.values("src"))
    assert all(value.startswith("#") for value in page.values("href"))
    assert {value[1:] for value in page.values("href")} <= set(page.values("id"))
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(word not in report for word in ("http:", "https:", "url(", "@import"))


def test_every_picture_can_be_opened_and_is_described(report: str) -> None:
    page = Page(report)
    pictures = [Image.open(io.BytesIO(base64.b64decode(value.split(",")[1]))) for value in page.values("src")]
    kinds = [picture.format for picture in pictures]
    assert kinds == ["PNG", *["PNG", "PNG", "GIF", "PNG"] * 2]
    assert pictures[3].n_frames == 5
    assert len(page.values("alt")) == len(kinds)
    assert all(page.values("alt"))


def test_strings_are_escaped(report: str) -> None:
    text = "".join(Page(report).text)
    assert 'Pretraining <script>alert("1")</script>' in text
    assert "tiny & <small>" in text
    assert "<b>wild</b>" in text
    assert "<b>wild" not in report


def test_the_smallest_error_of_each_line_is_marked(report: str) -> None:
    best = Page(report).best
    # Two lines a task in the main table, then two lines a field of both tasks.
    assert len(best) == 4 + 8
    assert f"{result('calm_flow', 0.99).scores[0].one_step:#.3g}" == best[0]
    assert float(best[2]) == pytest.approx(result("wild", -30.0).scores[1].one_step, rel=0.01)


def test_the_verdict_counts_the_datasets_won(report: str) -> None:
    assert "on 1 of 2 datasets one step ahead" in "".join(Page(report).text)


def test_an_evaluation_has_no_training_curve(tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", Run("Evaluation", ()), [result("calm_flow", 0.9)])
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert "Training" not in page.text
    assert len(page.values("src")) == 4


def test_counts_and_durations_read_as_a_person_would_say_them() -> None:
    assert [count(number) for number in (17, 4711, 12_345_678, 1_286_199_047)] == [
        "17",
        "4,711",
        "12.3 million",
        "1.29 billion",
    ]
    assert [duration(seconds) for seconds in (12.4, 185, 8040)] == ["12 s", "3 min 5 s", "2 h 14 min"]
