"""The commands as a user types them, on the sample data: pretrain, finetune, evaluate."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SHORT = (
    *("--set", "schedule.epochs=3", "--set", "schedule.steps_an_epoch=1"),
    *("--set", "schedule.warm_up=1", "--set", "schedule.cool_down=1", "--set", "stream.micro_batches=1"),
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


def pretrain(root, run, *arguments):
    return call("pretrain", "tiny", "--root", root, "--out", run, "--set", TWO_SYSTEMS, *SHORT, *arguments)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    done = pretrain(folder / "data", folder / "run")
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


@pytest.mark.slow
def test_a_second_call_uses_what_exists_and_says_so(trained):
    folder, first = trained
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    second = pretrain(folder / "data", folder / "run")
    assert second.stdout == first.stdout
    assert "found" in second.stderr
    assert "trained for all 3 steps" in second.stderr
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_another_recipe_in_the_same_folder_is_refused(trained):
    folder, _ = trained
    done = pretrain(folder / "data", folder / "run", "--set", "schedule.rate=0.5")
    assert done.returncode == 1
    assert "holds a run of another recipe" in done.stderr
    assert len(done.stderr.splitlines()) <= 3


@pytest.mark.slow
def test_a_mistake_on_a_rank_is_one_line(trained, tmp_path):
    folder, _ = trained
    done = pretrain(folder / "data", tmp_path / "run", "--ranks", 2, "--set", "stream.windows_2d=3")
    assert done.returncode == 1
    assert "a micro-batch of 3 windows cannot be shared by 2 ranks" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_finetuning_and_evaluation_work_on_a_system_not_seen_before(trained):
    folder, _ = trained
    samples = REPOSITORY / "tests" / "samples" / "held_out"
    built = subprocess.run(
        [
            *(sys.executable, "-c", "from ingest.cli import main; main()", "build", samples / "cns2d.toml"),
            *("--from", samples, "--to", folder / "data"),
        ],
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr
    base, tuned = folder / "run", folder / "tuned"
    done = call("finetune", "cns2d", "--root", folder / "data", "--from", base, "--out", tuned, "--samples", 204)
    assert done.returncode == 0, done.stderr
    assert "cns2d" in done.stdout
    found = call("evaluate", tuned, "cns2d", "--root", folder / "data", "--out", folder / "judged", "--json")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout) == json.loads((folder / "judged" / "scores.json").read_text())
    assert (folder / "judged" / "report.html").is_file()


def test_bad_requests_get_one_line(tmp_path):
    requests = [
        (("finetune", "flow", "--root", tmp_path, "--from", tmp_path, "--out", tmp_path / "o"), "holds no model.json"),
        (("evaluate", tmp_path, "flow", "--root", tmp_path, "--out", tmp_path / "o"), "holds no model.json"),
        (("pretrain", "huge", "--root", tmp_path, "--out", tmp_path / "o"), "no run recipe named huge"),
    ]
    for arguments, words in requests:
        done = call(*arguments)
        assert done.returncode == 1
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
    shutil.rmtree(tmp_path)
