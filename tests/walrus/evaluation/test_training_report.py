"""The page of a run that trains: losses with their unit, the course of the run, nothing of a name runs."""

import io
import re

import numpy as np
from PIL import Image, ImageColor

from shards.drawing.colours import BLUE
from walrus.evaluation.curve_figures import Curve
from walrus.evaluation.training_report import (
    StepCurve,
    TrainingState,
    draw_step_curves,
    write_training_report,
)


def state(**changes):
    losses = [Curve("<b>flow</b>", range(40), list(np.geomspace(80, 8, 40))), Curve("wave", [7], [3.0])]
    rates = StepCurve("learning rate", range(40), [0.001] * 40)
    facts = (("ranks", "1"),)
    return TrainingState(
        **{"title": "A run", "lead": "Step 40", "facts": facts, "losses": losses, "curves": [rates]} | changes
    )


def test_the_page_says_the_losses_and_their_unit(tmp_path):
    write_training_report(tmp_path / "report.html", state())
    text = (tmp_path / "report.html").read_text("utf-8")
    first, last = np.geomspace(80, 8, 40)[:2].mean(), np.geomspace(80, 8, 40)[-2:].mean()
    assert f"<td>{first:.2f}</td><td>{last:.2f}</td><td>40</td>" in text
    assert "<b>flow" not in text
    assert "100 × the error of the predicted change" in text
    assert text.count("data:image/png") == 2
    assert 'http-equiv="refresh"' not in text


def test_a_page_of_a_run_that_goes_on_loads_itself_anew_and_runs_nothing(tmp_path):
    write_training_report(tmp_path / "report.html", state(losses=[], curves=[], refresh=30))
    text = (tmp_path / "report.html").read_text("utf-8")
    assert re.search(r'<meta http-equiv="refresh" content="30">', text)
    assert "<script" not in text


def test_there_is_a_box_for_each_course_whatever_its_values():
    values = ([1.0], [0.0, 0.0], [np.nan, 2.0], [1e-3, 1e3])
    curves = [StepCurve("c", range(len(each)), each, bool(n % 2)) for n, each in enumerate(values)]
    one, four = (Image.open(io.BytesIO(draw_step_curves(each))) for each in (curves[:1], curves))
    assert four.height > one.height


def test_the_noise_of_a_long_run_is_a_pale_band_around_a_line():
    noise = np.random.default_rng(5).lognormal(size=3600).tolist()
    picture = draw_step_curves([StepCurve("norm of the gradient", range(3600), noise, logarithmic=True)])
    pixels = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB")).astype(int)
    dark = np.abs(pixels - np.array(ImageColor.getrgb(BLUE))).max(axis=2) < 8
    assert 0 < dark.mean() < 0.02
