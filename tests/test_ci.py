"""The scripts in .ci that make an environment."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[1] / ".ci"


@pytest.mark.parametrize(("system", "suffix"), [("Linux", "+cpu"), ("Darwin", "")])
def test_the_build_of_torch_without_a_gpu_is_one_that_exists_for_the_system(tmp_path, system, suffix):
    uname = tmp_path / "uname"
    uname.write_text(f"#!/bin/sh\necho {system}\n")
    uname.chmod(0o755)
    search = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", SCRIPTS / "torch"], env=search, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"torch==2.13.0{suffix}"
