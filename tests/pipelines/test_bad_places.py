"""Every command into a disk that is full, read-only or of another user: one line, and nothing is lost."""

from contextlib import chdir
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from walrus.checkpoint import ModelDescription, save_model
from walrus.model.settings import ModelSettings
from walrus.model.walrus import Walrus
from walrus.vocabulary import PUBLISHED

REPOSITORY = Path(__file__).parents[2]
SIZE = "hidden = 32, heads = 2, inner = 4, mlp = 32, blocks = 1"
RECIPE = f"""
title = "a short run"
model = "tiny"
datasets = [{{ name = "shear_flow" }}]
size = {{ {SIZE} }}
[stream]
history_2d = 3
[schedule]
epochs = 3
steps_an_epoch = 1
warm_up = 1
cool_down = 1
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model that has learned nothing."""
    folder = tmp_path_factory.mktemp("model")
    settings = ModelSettings(hidden=32, heads=2, inner=4, mlp=32, blocks=1)
    values = {"history_2d": 3, "history_3d": 3, "eps": 1e-5, "jitters": False, "step": 1, "seed": 0}
    description = ModelDescription(settings, PUBLISHED.names, datasets=("shear_flow",), **values)
    save_model(folder, description, Walrus(settings, len(PUBLISHED.names)).state_dict())
    return folder


@pytest.mark.slow
def test_each_command_says_so_in_one_line_and_loses_nothing(full_disk, spoil, model, root, tmp_path):
    bad = spoil(full_disk)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    there = bad / "more"
    commands = {
        "pretrain": f"{tmp_path}/recipe.toml --root {root} --out {there}",
        "finetune": f"shear_flow --root {root} --from {model} --out {there} --samples 8",
        "evaluate": f"{model} shear_flow --root {root} --out {there} --start 4 --longest 2",
        "convert": f"{model} --to {there}/released.safetensors",
        "forecast": f"{model} {root}/shear_flow --steps 2 --out {there}/forecast.nc",
    }
    before = {path: path.read_bytes() for path in model.iterdir()}
    disk = sorted(bad.parent.rglob("*"))
    for command, arguments in commands.items():
        with chdir(REPOSITORY):
            done = CliRunner().invoke(import_module(f"pipelines.{command}").app, arguments.split())
        assert isinstance(done.exception, SystemExit), (command, done.exception)
        assert done.exit_code == 1, (command, done.output)
        line = done.stderr.splitlines()[-1]
        assert line.startswith(f"walrus-{command}: "), done.stderr
        assert str(bad.parent) in line
    assert {path: path.read_bytes() for path in model.iterdir()} == before
    assert [path for path in sorted(bad.parent.rglob("*")) if path.is_file() and path not in disk] == []
