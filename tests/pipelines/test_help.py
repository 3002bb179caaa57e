"""What every command answers at once: help that fits a screen, and its version, without loading torch."""

import subprocess
import sys
from importlib import import_module, metadata
from pathlib import Path
from shutil import which

import pytest
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
COMMANDS = ["pipelines.pretrain", "pipelines.finetune", "pipelines.evaluate", "pipelines.convert"]


@pytest.mark.parametrize("module", COMMANDS)
def test_help_fits_a_screen(module):
    lines = CliRunner().invoke(import_module(module).app, ["--help"]).stdout.splitlines()
    assert 10 < len(lines) <= 40
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("module", [*COMMANDS, "ingest.cli"])
def test_every_command_says_its_version_also_by_python_m(module):
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True)
    assert done.stdout == f"walrus-pde {metadata.version('walrus-pde')}\n", done.stderr


@pytest.mark.parametrize("module", COMMANDS)
def test_help_loads_nothing_that_computes(module):
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "deepspeed", "matplotlib"} & set(done.stdout.split())


@pytest.mark.skipif(which("bash") is None, reason="no bash on this machine")
def test_bash_completes_the_words_of_a_command():
    variables = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    script = """
eval "$(_WALRUS_CONVERT_COMPLETE=source_bash walrus-convert)"
COMP_WORDS=(walrus-convert runs/tiny --ha) COMP_CWORD=2
_walrus_convert_completion walrus-convert
echo "${COMPREPLY[@]}"
"""
    done = subprocess.run(["bash", "-c", script], env=variables, capture_output=True, text=True)
    assert done.stdout == "--half\n", done.stderr
