"""The commands of docs/own-data.md and own-folder.md, and the code of python-api.md, as readers run them."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from tests.walrus.training.own_process import run_script
from walrus.checkpoint import ModelDescription, load_model, save_model
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.vocabulary import PUBLISHED

DOCS = Path(__file__).parents[2] / "docs"
SETTINGS = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=1)
# Minutes of training and ten pictures of a rollout teach nothing about the commands.
QUICKLY = {
    "--samples 4000": "--samples 12 --set schedule.epochs=3 --set schedule.warm_up=1 "
    "--set schedule.cool_down=1",
    "--set evaluation.start=4": "--set evaluation.start=4 --set evaluation.longest=2",
    "--samples 2k": "--samples 12 --set schedule.epochs=3 --set schedule.warm_up=1 "
    "--set schedule.cool_down=1",
    "--start 4": "--start 4 --longest 2",
}
COMMANDS = {
    point.name: point for point in entry_points(group="console_scripts") if point.name.startswith("walrus-")
}


def blocks(page):
    """(language, text) of the code blocks of a page, in order."""
    return re.findall(r"^```(sh|python)\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.M | re.S)


def base_model(folder):
    """What `make pretrain` leaves, but untrained and smaller."""
    torch.manual_seed(0)
    description = ModelDescription(SETTINGS, PUBLISHED.names, 4, 4, 1e-5, True, 1, 0, ("shear_flow",))
    save_model(folder, description, Walrus(SETTINGS, 67).state_dict())


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """The folder of a reader of the pages, who has `runs/tiny` and the commands on the path."""
    base_model(tmp_path / "runs" / "tiny")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def run_line(line, monkeypatch):
    """A line of the shell. Our commands need no new process, which takes seconds to start: one that trains is
    forked, others run here.
    """
    for slow, quick in QUICKLY.items():
        line = line.replace(slow, quick)
    name, *options = words = shlex.split(line)
    if name not in COMMANDS:
        subprocess.run(["bash", "-e", "-c", line], check=True)
        return
    if name == "walrus-finetune":
        done = run_script(Path(__file__).with_name("command_run.py"), "finetune", *options, folder=Path.cwd())
        print(done.stdout, done.stderr)
        assert done.returncode == 0
        return
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as done:
        COMMANDS[name].load()()
    assert not done.value.code, line


@pytest.mark.slow
def test_the_tutorial_leads_from_a_strangers_file_to_a_forecast(reader, capfd, monkeypatch):
    outputs = []
    for language, text in blocks("own-data.md"):
        if language == "python":
            exec(compile(text, "own-data.md", "exec"), {})
        else:
            for line in text.splitlines():
                run_line(line, monkeypatch)
        outputs.append("".join(capfd.readouterr()))
    everything = "\n".join(outputs)
    assert "none of the benchmarks" in everything
    assert "new to the base model: smoke" in everything
    assert re.search(r"^smoke +\d\.\d+ +\d\.\d+ +\d\.\d+", everything, re.M)
    assert re.match(r"5 \{'smoke': \d\.\d+, 'velocity_x': ", outputs[-1].splitlines()[4])
    card = (reader / "runs/smoke/README.md").read_text()
    assert "forecasts Smoke stirred in a periodic box." in card
    assert "licence of the data: CC-BY-4.0" in card
    assert (reader / "evaluated/smoke/report.html").is_file()
    assert load_model(reader / "runs/smoke")[1].vocabulary.labels(["smoke"]) == (67,)


@pytest.mark.slow
def test_four_commands_lead_from_a_folder_of_states_to_a_forecast(reader, capfd, monkeypatch):
    for language, text in blocks("own-folder.md"):
        if language == "python":
            exec(compile(text, "own-folder.md", "exec"), {})
        else:
            for line in text.splitlines():
                run_line(line, monkeypatch)
    told = "".join(capfd.readouterr())
    assert "128 files of 8 runs, one state of a run per file" in told
    assert "6 train, 1 valid, 1 test trajectories" in told
    with h5py.File(reader / "forecast.nc") as file, h5py.File(reader / "dye/run_07/state_0004.h5") as state:
        assert file["dye"].shape == (40, 32, 24)
        assert file["time"][0] == pytest.approx(state.attrs["time"])
        np.testing.assert_array_equal(file["x"], state["x"])


def test_the_page_of_the_python_interface_runs(reader, root):
    (reader / "data").symlink_to(root)
    page = reader / "page.py"
    page.write_text("".join(text for _, text in blocks("python-api.md")))
    found = runpy.run_path(str(page))
    assert len(found["frames"]) == 4
    assert np.isfinite(found["forecast"]).all()
    assert found["forecast"].shape == (3, 4, 64, 32)
