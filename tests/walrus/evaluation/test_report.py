"""The report is one file that needs nothing else, says what the scores say and trusts no string."""

import base64
import hashlib
import io
import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from shards.drawing.viewer import script
from shards.schema import Boundary, Grid
from tests.browser import NEEDS_BROWSER, opened, seen
from walrus.evaluation.baselines import frame_errors
from walrus.evaluation.curve_figures import Curve
from walrus.evaluation.evaluate import Evaluation, RecordedTrajectory, Recordings
from walrus.evaluation.figures import draw
from walrus.evaluation.forecast_protocol import ForecastProtocol
from walrus.evaluation.forecasts import TrajectoryErrors
from walrus.evaluation.recording import RolloutFacts, RolloutStep, record
from walrus.evaluation.report import DatasetResult, RunFacts, count, duration, write_report
from walrus.evaluation.write import save

# A film of the steps 1, 3 and 5, for a reader who wants little motion: it shows one step per second.
ACTIONS = """
await see("begin", () => {});
await see("field", () => choose("Field", 1));
await see("last", () => key("ArrowLeft"));
await see("first", () => button("one step on"));
await see("playing", () => key(" "));
await see("soon", () => wait(300));
await see("a second", () => wait(800));
await see("paused", () => button("Pause"));
await see("later", () => wait(1500));
"""
VOID = {"meta", "img"}
PERIODIC = Boundary.PERIODIC
NO_SOLID = np.zeros((6, 4), bool)


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
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)

    def values(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]


def room_of_first_table(path: Path, folder: Path, width: int = 390) -> int:
    """The pixels that the first table of a page could be wider in a screen of this width."""
    # No window is narrower than 500 pixels, a frame is.
    text = re.sub(r'<meta http-equiv="?Content-Security-Policy"?[^>]*>', "", path.read_text("utf-8"))
    text += (
        "<script>const box = document.querySelector('.table');"
        "parent.document.body.setAttribute('data-room', box.clientWidth - box.scrollWidth);</script>"
    )
    frame = folder / "frame.html"
    frame.write_text(f'<body><iframe width="{width}" height="900" srcdoc="{escape(text)}"></iframe>', "utf-8")
    found = re.search(r'data-room="(-?\d+)"', opened(frame, folder))
    assert found
    return int(found[1])


def result(task: str, damping: float, channels: tuple[str, ...] = ("u", "v")) -> DatasetResult:
    frames = np.random.default_rng(2).normal(size=(9, len(channels), 6, 4)).cumsum(0)
    truth, guess = frames[4:], damping * frames[4:]
    grid = Grid(("x", "y"), (tuple(range(6)), tuple(range(4))))
    facts = RolloutFacts(
        task, "run-00000", channels, grid, ((Boundary.WALL, Boundary.OPEN), (PERIODIC,) * 2), NO_SOLID
    )
    last = frames[3]
    errors = np.stack(
        [
            frame_errors(
                torch.from_numpy(truth[t]),
                torch.from_numpy(np.stack([guess[t], last, last + (t + 1) * (last - frames[2]), 2 * last])),
            )
            for t in range(5)
        ],
        2,
    )
    rollout = [RolloutStep(t + 1, float(t), truth[t], guess[t], errors[0, 0, t]) for t in range(5)]
    trajectory = TrajectoryErrors(
        "run-00000",
        4,
        errors,
        errors,
        np.ones((2, 2, len(channels), 3)),
        np.zeros((2, 5, 1)),
        np.ones((2, 5, 1)),
        scalars={"viscosity": 0.1},
    )
    recording = record(facts, rollout, (1, 3, 5), channels[:1])
    film = RecordedTrajectory(0, "", record(facts, rollout, (1, 3, 5), channels))
    fields = record(facts, rollout, (5,), channels)
    recordings = Recordings(recording, fields, None, recording, (film,))
    evaluation = Evaluation(
        task,
        ForecastProtocol(4),
        True,
        (0,),
        channels,
        (6, 4),
        ("mass",),
        ("kinetic energy",),
        (trajectory,),
        recordings,
    )
    return DatasetResult(evaluation, draw(evaluation))


@pytest.fixture(scope="module")
def calm() -> DatasetResult:
    return result("shear_flow", 0.99)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, calm: DatasetResult) -> str:
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    run = RunFacts(
        'Pretraining <script>alert("1")</script>', (("recipe", "tiny & <small>"), ("steps", count(2000)))
    )
    results = [calm, result("<b>wild</b>", -30.0)]
    write_report(path, run, results, [Curve("shear_flow", [1, 2, 3], [9.0, 7.0, 5.0])])
    return path.read_text("utf-8")


def test_the_report_is_well_formed_and_needs_nothing_else(report: str) -> None:
    page = Page(report)
    assert page.open == []
    assert all(value.startswith("data:image/") for value in page.values("src"))
    assert all(value.startswith("#") for value in page.values("href"))
    assert {value[1:] for value in page.values("href")} <= set(page.values("id"))
    assert not {"link", "iframe", "object"} & set(page.tags)
    assert all(word not in report for word in ("http:", "https:", "url(", "@import", "fetch(", "import("))


def test_the_page_runs_one_script_that_its_policy_names_by_hash(report: str) -> None:
    (digest,) = re.findall(r"script-src 'sha256-([^']+)'", report)
    run = re.findall(r"<script>(.*?)</script>", report, re.DOTALL)
    assert run == [script()]
    assert base64.b64encode(hashlib.sha256(run[0].encode()).digest()).decode() == digest
    assert report.count("<script") == 1 + 2


@pytest.mark.slow
@NEEDS_BROWSER
def test_a_reader_chooses_field_and_step_and_plays_the_film(report: str, tmp_path: Path) -> None:
    shown = seen(report, ACTIONS, tmp_path, "--force-prefers-reduced-motion")
    words = {name: text for name, (text, _, _) in shown.items()}
    assert words["begin"].startswith("u, step 1, t = 0")
    assert words["field"] == words["first"] == words["soon"]
    assert words["first"].startswith("v, step 1,")
    assert words["last"].startswith("v, step 5,")
    assert words["paused"] == words["later"]
    assert words["a second"].startswith("v, step 3,")
    assert [shown[name][2] for name in ("first", "a second", "later")] == ["Play", "Pause", "Play"]
    # Truth, forecast and error, each another picture in another field or step.
    for one, other in (("begin", "field"), ("first", "last")):
        pairs = list(zip(shown[one][1], shown[other][1], strict=True))
        assert len(pairs) == 3
        assert all(first != second for first, second in pairs)


@pytest.mark.slow
@NEEDS_BROWSER
def test_the_scores_of_all_forecasters_fit_a_phone(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, RunFacts("A run", ()), [result("acoustic_scattering_discontinuous", 0.99)])
    assert room_of_first_table(path, tmp_path) >= 0


def test_every_picture_can_be_opened_and_is_described(report: str) -> None:
    page = Page(report)
    pictures = [Image.open(io.BytesIO(base64.b64decode(value.split(",")[1]))) for value in page.values("src")]
    # Training; then error growth, flow, spectra and conservation of each dataset.
    assert [picture.format for picture in pictures] == ["PNG"] * (1 + 2 * 4)
    assert len(page.values("alt")) == len(pictures)
    assert all(page.values("alt"))


def test_strings_are_escaped(report: str) -> None:
    text = "".join(Page(report).text)
    assert 'Pretraining <script>alert("1")</script>' in text
    assert "tiny & <small>" in text
    assert "<b>wild</b>" in text
    assert "<b>wild" not in report


def test_the_best_of_each_line_is_marked(report: str, calm: DatasetResult) -> None:
    best = Page(report).best
    assert f"{calm.evaluation.scores.value('one-step'):#.3g}" == best[0]
    # The model is far off; the baselines share the rest.
    assert float(best[2]) > float(best[0])


def test_the_lead_says_until_which_step_forecasts_are_of_use(report: str) -> None:
    text = " ".join("".join(Page(report).text).split())
    assert "to the end of the rollout on 1 of 2 datasets; <b>wild</b> until step 0 of 5." in text


def test_each_trajectory_has_a_row(report: str) -> None:
    assert "".join(Page(report).text).count("run-00000") == 2


def test_how_the_forecasts_were_made_is_said(report: str) -> None:
    text = " ".join("".join(Page(report).text).split())
    assert (
        "1 trajectory of the test split, 2 fields on 6 × 4 cells. Rollouts use 4 frames, begin at frame 4"
        in text
    )
    assert "have 5 steps; patch jitter on, seed 0." in text


def test_several_seeds_are_named_in_the_plural(tmp_path: Path, calm: DatasetResult) -> None:
    twice = replace(calm, evaluation=replace(calm.evaluation, seeds=(0, 1)))
    write_report(tmp_path / "report.html", RunFacts("Evaluation", ()), [twice])
    assert "patch jitter on, seeds 0, 1." in (tmp_path / "report.html").read_text("utf-8")


def test_published_figures_stand_apart_and_only_where_there_are_some(report: str) -> None:
    text = "".join(Page(report).text)
    assert text.count("published, on the full test set") == 2
    assert "a rough guide, not as a comparison" in text
    assert "0.081" in text


def test_the_lead_of_one_dataset_names_the_step(tmp_path: Path, calm: DatasetResult) -> None:
    write_report(tmp_path / "report.html", RunFacts("Evaluation", ()), [calm])
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert "Training" not in page.text
    assert "A forecast is useful until step 5 of 5: until there its VRMSE is below 1" in "".join(page.text)
    assert len(page.values("src")) == 4


def test_counts_and_durations_read_as_a_person_would_say_them() -> None:
    assert [count(number) for number in (17, 4711, 12_345_678, 1_286_199_047)] == [
        "17",
        "4,711",
        "12.3 million",
        "1.29 billion",
    ]
    assert [duration(seconds) for seconds in (12.4, 185, 8040)] == ["12 s", "3 min 5 s", "2 h 14 min"]


def test_a_picture_that_cannot_be_drawn_costs_that_picture(
    calm: DatasetResult, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*arguments: object) -> bytes:
        raise ValueError("no such colour")

    for name in ("panel", "spectra"):
        monkeypatch.setattr(f"walrus.evaluation.figures.{name}", fail)
    left = [each.suffix for each in draw(calm.evaluation).every]
    assert left == ["", "-fields", "-error", "-flow", "-conservation"]
    assert capsys.readouterr().err.count("failed (no such colour)") == 3


def test_pictures_and_report_that_cannot_be_written_cost_no_score(
    calm: DatasetResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pictures").touch()
    (tmp_path / "report.html").mkdir()
    save(tmp_path, RunFacts("a run", ()), [calm])
    assert {"scores.json", "scores.csv", "horizons.csv", "scores.tex"} <= {
        path.name for path in tmp_path.iterdir()
    }
    told = capsys.readouterr().err
    assert told.count("pictures: failed (") == told.count("report.html: failed (") == 1
