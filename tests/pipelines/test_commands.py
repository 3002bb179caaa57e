"""The commands as a user types them, on the sample data: pretrain, finetune, evaluate."""

import json
import re
import shutil
import subprocess
import sys
from contextlib import chdir
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.walrus.training.own_process import run_script

REPOSITORY = Path(__file__).parents[2]
QUICK = (
    *("--set", "schedule.epochs=3", "--set", "schedule.warm_up=1", "--set", "schedule.cool_down=1"),
    *("--set", "evaluation.longest=3"),
)
SHORT = (
    *(*QUICK, "--set", "schedule.steps_an_epoch=1", "--set", "stream.micro_batches=1"),
    *("--set", "size.hidden=32", "--set", "size.blocks=1", "--set", "size.heads=2", "--set", "size.inner=4"),
)
TWO_SYSTEMS = """datasets=[
{name="acoustic_scattering_discontinuous",path="tests/samples/well/acoustic_scattering_discontinuous"},
{name="MHD_64",path="tests/samples/well/MHD_64"}]""".replace("\n", "")


def call(module, *arguments):
    """A command in a process of its own, from the top of the repository."""
    program = f"from pipelines.{module} import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, cwd=REPOSITORY
    )


def forked(module, *arguments):
    """A command in a process of its own that need not load torch: it is forked from one that has."""
    return run_script(Path(__file__).with_name("command_run.py"), module, *arguments, folder=REPOSITORY)


def invoke(module, *arguments, package="pipelines"):
    """A command that trains nothing, within this process, which has loaded torch already."""
    with chdir(REPOSITORY):
        return CliRunner().invoke(import_module(f"{package}.{module}").app, list(map(str, arguments)))


def pretraining(root, run, *arguments):
    return ("pretrain", "tiny", "--root", root, "--out", run, "--set", TWO_SYSTEMS, *SHORT, *arguments)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    done = forked(*pretraining(folder / "data", folder / "run"))
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.mark.slow
def test_pretraining_ends_in_a_table_a_report_and_pictures(trained):
    folder, done = trained
    assert re.search(r"MHD_64 +0\.\d{4} +0\.\d{4} +0\.\d{4}", done.stdout)
    assert "ingested" in done.stderr
    assert "ingested" not in done.stdout
    evaluation = folder / "run" / "evaluation"
    assert str(evaluation / "report.html") in done.stdout
    assert "<img" in (evaluation / "report.html").read_text()
    assert {path.suffix for path in (evaluation / "pictures").iterdir()} == {".png", ".gif"}
    assert json.loads((evaluation / "scores.json").read_text()).keys() == {
        "acoustic_scattering_discontinuous",
        "MHD_64",
    }
    card = (folder / "run" / "README.md").read_text()
    assert "# Pretraining of tiny on the sample data" in card
    assert re.search(r"MHD_64 +0\.\d{4}", card)


@pytest.mark.slow
def test_a_second_call_uses_what_exists_and_says_so(trained):
    folder, first = trained
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    second = invoke(*pretraining(folder / "data", folder / "run"))
    assert second.stdout == first.stdout
    assert "found" in second.stderr
    assert "trained, with the weights of step 3" in second.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_another_recipe_in_the_same_folder_is_refused(trained):
    folder, _ = trained
    done = invoke(*pretraining(folder / "data", folder / "run", "--set", "schedule.rate=0.5"))
    assert done.exit_code == 1
    assert (
        "has another schedule (rate 0.002 -> 0.5). Give another --out, or allow it: --allow schedule"
        in done.stderr
    )
    assert len(done.stderr.splitlines()) <= 3


@pytest.mark.slow
def test_an_error_of_a_rank_is_one_line(trained, tmp_path):
    folder, _ = trained
    done = call(*pretraining(folder / "data", tmp_path / "run", "--ranks", 2, "--set", "stream.windows_2d=3"))
    assert done.returncode == 1
    assert "a micro-batch of 3 windows cannot be shared by 2 ranks" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_finetuning_and_evaluation_work_on_a_system_not_seen_before(trained):
    folder, _ = trained
    samples = REPOSITORY / "tests" / "samples" / "held_out"
    recipe = samples / "cns2d.toml"
    built = invoke("cli", "build", recipe, "--from", samples, "--to", folder / "data", package="ingest")
    assert built.exit_code == 0, built.stderr
    base, tuned = folder / "run", folder / "tuned"
    where = ("cns2d", "--root", folder / "data")
    done = forked("finetune", *where, "--from", base, "--out", tuned, "--samples", 6, *QUICK, "--keep-state")
    assert done.returncode == 0, done.stderr
    assert "recipe finetune-tiny" in done.stderr
    assert "cns2d" in done.stdout
    assert "licence of the data: MIT" in (tuned / "README.md").read_text()
    assert json.loads((tuned / "validation.jsonl").read_text())["step"] == 3
    longer = (*where, "--from", base, "--out", tuned, "--samples", 8, *QUICK, "--set", "schedule.epochs=4")
    done = forked("finetune", *longer, "--allow", "schedule", "--trace", folder / "trace")
    assert done.returncode == 0, done.stderr
    assert "goes on at step 3 with another schedule (epochs 3 -> 4)" in done.stderr
    assert json.loads((tuned / "validation.jsonl").read_text().splitlines()[-1])["step"] == 4
    assert (folder / "trace").is_dir()
    # A finished run keeps the documents of its last two checkpoints, and no state.
    assert {path.name for path in (tuned / "checkpoints").rglob("*.*")} == {"checkpoint.json"}
    assert not (tuned / "best.safetensors").exists()
    assert "Step <b>4 of 4</b>; the training has ended." in (tuned / "report.html").read_text()
    found = invoke("evaluate", tuned, *where, "--out", folder / "judged", "--longest", 3, "--json")
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout) == json.loads((folder / "judged" / "scores.json").read_text())
    assert (folder / "judged" / "report.html").is_file()


def test_bad_requests_get_one_line(tmp_path):
    requests = [
        (
            ("finetune", "flow", "--root", tmp_path, "--from", tmp_path, "--out", tmp_path / "o"),
            "has no model.json",
        ),
        (("evaluate", tmp_path, "flow", "--root", tmp_path, "--out", tmp_path / "o"), "has no model.json"),
        (("pretrain", "huge", "--root", tmp_path, "--out", tmp_path / "o"), "no run recipe named huge"),
    ]
    for arguments, words in requests:
        done = invoke(*arguments)
        assert done.exit_code == 1
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
    shutil.rmtree(tmp_path)
