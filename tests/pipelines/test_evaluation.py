"""walrus-evaluate with a model that has learned nothing: what it writes, and what it refuses."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from pipelines.evaluate import app
from pipelines.train_and_evaluate import describe
from tests.walrus.evaluation.test_comparison import saved
from tests.walrus.evaluation.test_score_tables import evaluation
from walrus.checkpoint import ModelDescription, load_model, save_model
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.training.run_lock import owned
from walrus.vocabulary import PUBLISHED

SETTINGS = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=1)
DESCRIPTION = ModelDescription(
    SETTINGS, PUBLISHED.names, 3, 3, 1e-5, True, 7, 0, ("MHD_64",), origin="walrus.pt"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    save_model(folder, DESCRIPTION, Walrus(SETTINGS, 67).state_dict())
    return folder


def call(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.slow
def test_every_form_of_the_scores_lies_beside_the_report(run: Path, root: Path, tmp_path: Path) -> None:
    options = ("--root", root, "--out", tmp_path, "--longest", 2, "--start", 3, "--jitter", "off", "--json")
    code, stdout, stderr = call(run, "MHD_64", *options)
    assert code == 0, stderr
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert json.loads(stdout) == scores
    assert scores["MHD_64"]["jitter"] is False
    assert scores["MHD_64"]["start"] == [3]
    for name in ("scores.csv", "horizons.csv"):
        with (tmp_path / name).open() as file:
            assert {line["task"] for line in csv.DictReader(file)} == {"MHD_64"}
    assert r"MHD\_64 & " in (tmp_path / "scores.tex").read_text()
    assert "published file" in (tmp_path / "report.html").read_text()
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {
        *("MHD_64.png", "MHD_64.gif", "MHD_64-volume.png", "MHD_64-error.png", "MHD_64-spectra.png"),
        *("MHD_64-conservation.png", "MHD_64-fields.png", "MHD_64-flow.png"),
    }


def test_a_second_evaluation_into_the_same_folder_is_refused(run: Path, root: Path, tmp_path: Path) -> None:
    with owned(tmp_path):
        code, _, stderr = call(run, "MHD_64", "--root", root, "--out", tmp_path)
    assert code == 1
    assert f"process {os.getpid()} on " in stderr
    assert "is writing into this folder; wait for it, stop it, or give another --out" in stderr
    assert not any(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_folder_is_wrong_usage(run: Path, root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, stderr = call(run, "MHD_64", "--root", root, "--out", tmp_path / "file")
    assert code == 2
    assert "is a file" in stderr


def test_a_report_says_which_published_file_was_converted(run: Path) -> None:
    description, model = load_model(run)
    assert ("published file", "walrus.pt") in describe(description, model)
    assert "published file" not in dict(describe(replace(description, origin=""), model))
    assert ("patch jitter", "off") in describe(description, replace(model, jitters=False))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("MHD_63",), "MHD_63: the dataset does not exist"),
        (("acoustic_scattering_discontinuous",), "the model does not know speed_of_sound; fine-tune it"),
        (("MHD_64", "--jitter", "maybe"), "'maybe' is not one of"),
    ],
)
def test_bad_requests_get_one_line(narrow: Path, root: Path, tmp_path: Path, arguments, words: str) -> None:
    code, stdout, stderr = call(narrow, *arguments, "--root", root, "--out", tmp_path / "out")
    assert code in (1, 2)
    assert words in stderr
    assert "Traceback" not in stderr
    assert stdout == ""
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose vocabulary lacks a field."""
    names = tuple(name for name in PUBLISHED.names if name != "speed_of_sound")
    folder = tmp_path_factory.mktemp("narrow")
    description = replace(DESCRIPTION, vocabulary=names)
    save_model(folder, description, Walrus(SETTINGS, len(names)).state_dict())
    return folder


@pytest.mark.parametrize(
    ("name", "words"),
    [("", "has no model.json, which is written at the end of a run"), ("runs", "there is no such folder")],
)
def test_a_folder_without_a_model_is_refused(root: Path, tmp_path: Path, name: str, words: str) -> None:
    code, _, stderr = call(tmp_path / name, root / "MHD_64", "--out", tmp_path / "out")
    assert code == 1
    assert words in stderr
    assert len(stderr.splitlines()) == 1


def test_two_evaluated_runs_are_set_next_to_each_other(tmp_path: Path) -> None:
    runs = [saved(tmp_path / name, evaluation("flow", error)) for name, error in (("a", 0.4), ("b", 0.2))]
    code, stdout, stderr = call("--compare", *runs, "--out", tmp_path / "out")
    assert code == 0, stderr
    assert "-50.0%" in stdout
    assert stdout.endswith(f"page: {tmp_path / 'out' / 'comparison.html'}\n")
    assert (tmp_path / "out" / "comparison.html").is_file()
    code, stdout, _ = call("--compare", *runs, "--out", tmp_path / "out", "--json")
    assert json.loads(stdout)["differences"][0]["second_is_better_on"] == 2
    for arguments in ((runs[0], "data/flow"), (runs[0], "--out", "x"), (runs[0], "--compare", *runs)):
        assert call(*arguments)[0] == 2
